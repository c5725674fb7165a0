"""What is claimed of the operator of Burgers' equation, beside what all claim
(`operators._claims`): it commutes with translations, and errors of a start hardly grow.
"""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

import torchlean_jax as tl
from torchlean_jax.claims._asking import Answer
from torchlean_jax.zoo._entry import Trained
from torchlean_jax.zoo._network import Network
from torchlean_jax.zoo.fno.model import Config
from torchlean_jax.zoo.operators._claims import operator_claims

RADIUS, STARTS, GROWTH = 0.01, 4, 1.5


def claims(operator: Network, config: Config) -> tuple:
    """The claims about a network of that size."""
    shape = jax.ShapeDtypeStruct((1, config.points), jnp.float32)

    def commutes_with_translations(trained: Trained):
        """A function that is moved along the circle by a point, and so by any number of
        them, ends where its own end is moved to, for all weights and functions."""

        def moved_after(variables, u):
            return jnp.roll(operator.apply(variables, u)[0], 1, axis=-1)

        @tl.claims.equals(moved_after, points=4)
        @tl.claims.example(trained.shapes, shape)
        def moved_before(variables, u):
            return operator.apply(variables, jnp.roll(u, 1, axis=-1))[0]

        return moved_before

    def errors_hardly_grow(trained: Trained) -> Answer:
        data: Any = trained.data or trained.entry.load(None)

        def end(u):
            return operator.apply(trained.variables, u[None])[0][0]

        bounded, most = tl.bounds(end, method="zonotope"), 2 * GROWTH * RADIUS
        proved, reached = 0.0, 0.0
        for start in jnp.asarray(data.held_out[0][:STARTS]):
            found = bounded(tl.box(start, radius=RADIUS))
            proved = max(proved, float(found.width.max()))
            reached = max(reached, _reached(end, start))
        said = (
            f"proved: within {proved:.4f} at every point; corners of the boxes are "
            f"up to {reached:.4f} apart there"
        )
        # corners are run in float32, whose rounding is no evidence
        fails = reached > most + 1e-4
        return Answer(proved <= most or (False if fails else None), None, said)

    errors_hardly_grow.__doc__ = (
        f"All starts that are within {RADIUS:g} of one of the first {STARTS} held-out "
        f"ones at every point of the grid have ends within "
        f"{2 * GROWTH * RADIUS:g} of each other at every point: an error grows by at "
        f"most {GROWTH - 1:.0%}."
    )

    everywhere = operator_claims(operator, (config.points,), given=lambda u: u)
    return commutes_with_translations, errors_hardly_grow, *everywhere


def _reached(end, start) -> float:
    """How far apart ends are at a point, of the two corners of the box that are the
    farthest for the derivative there."""
    towards = RADIUS * jnp.sign(jax.jacrev(end)(start))
    ends = jax.jit(jax.vmap(end))
    apart = ends(start + towards) - ends(start - towards)
    return float(np.abs(np.diagonal(apart)).max())
