"""What is claimed of the operator of Darcy's flow and of the solver that taught it,
beside what all operators claim (`operators._claims`)."""

import jax
import jax.numpy as jnp
import numpy as np

import torchlean_jax as tl
from torchlean_jax.claims._asking import Answer
from torchlean_jax.zoo._entry import Trained
from torchlean_jax.zoo._network import Network
from torchlean_jax.zoo.darcy import data
from torchlean_jax.zoo.darcy.model import Config
from torchlean_jax.zoo.operators._claims import operator_claims

SOLVED, CLOSE = 4, 1e-11
LEAST, MOST, SLACK = 0.125, 8.0, 1e-6


def claims(operator: Network, config: Config) -> tuple:
    """The claims about a network of that size."""
    shape = jax.ShapeDtypeStruct((1, config.points, config.points), jnp.float32)

    def pressures_solve_their_equations(trained: Trained) -> Answer:
        """What the solver says of a permeability is within 1e-11 of the solution of its
        linear equations, at every point of the finer grid, proved for some of them.

        With M u = 1 + r, |r| <= e < 1: M has no positive entry off its diagonal and an
        inverse without negative entries, so that the solution M^-1 1 is at most
        u / (1 - e), and u is off by at most e times that.
        """
        worst = 0.0
        for a in np.exp(data.drawn(SOLVED, 2 * config.points)):
            worst = max(worst, distance(a, data.pressure(a)))
        return Answer(
            worst <= CLOSE or None,
            None,
            f"{worst:.1e} at most, over {SOLVED} permeabilities",
        )

    def is_0_on_the_boundary(trained: Trained):
        """The pressure is 0 on the boundary, whatever the layers make of the
        permeability, for all weights."""

        def nothing(variables, found):
            return jnp.zeros((1, 2, config.points))

        @tl.claims.equals(nothing)
        @tl.claims.example(trained.shapes, shape)
        def around(variables, found):
            pressure = operator.apply(variables, found, method="held")[0]
            return jnp.stack([pressure[:, 0], pressure[:, :, 0]], 1)

        return around

    def is_bounded_on_a_box(trained: Trained) -> Answer:
        """Of every permeability between 1/8 and 8 the pressure found is within 1e-6 of
        [0, 1]; the true one is in [0, 2 / pi] (Talenti 1976, theorem 1)."""
        pressures = trained.function()
        ends = (np.full(shape.shape, end, np.float32) for end in (LEAST, MOST))
        box = tl.box(*ends)
        found = tl.bounds(pressures, method="ibp")(box)
        said = f"from {found.lo.min():.3g} to {found.hi.max():.3g}, proved by `bounds`"
        if found.lo.min() >= -SLACK and found.hi.max() <= 1 + SLACK:
            return Answer(True, found, said)
        corners = (tl.box(end, end) for end in (box.lo, box.hi))
        met = [tl.bounds(pressures, method="ibp")(corner) for corner in corners]
        # a corner's own enclosure: no rounding can have put it outside
        outside = any(at.hi.min() < -SLACK or at.lo.max() > 1 + SLACK for at in met)
        return Answer(False if outside else None, found, said)

    return (
        pressures_solve_their_equations,
        is_0_on_the_boundary,
        is_bounded_on_a_box,
        *operator_claims(operator, (config.points,) * 2, given=jnp.exp),
    )


def outflow(a, u):
    """What flows out of the points inside, divided by the area of a cell, as
    `data.equations` has it: [n - 1, n - 1], from a and u at the points of a grid."""
    n = a.shape[-1]
    a, u = jnp.pad(a, (0, 1), mode="wrap"), jnp.pad(u, (0, 1))
    down = (a[1:] + a[:-1]) / 2 * jnp.diff(u, axis=0) * n**2
    along = (a[:, 1:] + a[:, :-1]) / 2 * jnp.diff(u, axis=1) * n**2
    return -jnp.diff(down, axis=0)[:, 1:-1] - jnp.diff(along, axis=1)[1:-1]


def distance(a: np.ndarray, u: np.ndarray) -> float:
    """A bound of |u - the solution of the equations|; inf if nothing follows."""
    with jax.enable_x64(True):
        sums = tl.interpret(outflow, domain=tl.Real(digits=40))(a, u).balls
    off = max(float(abs(x - 1).upper()) for x in sums.flat) * (1 + 1e-15)
    most = float(u.max())
    held = not u[0].any() and not u[:, 0].any()
    if not (off < 0.5 and held and a.min() > 0):
        return np.inf
    # the last factor is for the roundings of the others
    return off * most / (1 - off) * (1 + 1e-12)
