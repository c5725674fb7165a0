"""What is claimed of the operator of Burgers' equation, beside what all claim
(`operators._claims`): it commutes with translations."""

import jax
import jax.numpy as jnp

import torchlean_jax as tl
from torchlean_jax.zoo._entry import Trained
from torchlean_jax.zoo._network import Network
from torchlean_jax.zoo.fno.model import Config
from torchlean_jax.zoo.operators._claims import operator_claims


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

    everywhere = operator_claims(operator, (config.points,), given=lambda u: u)
    return commutes_with_translations, *everywhere
