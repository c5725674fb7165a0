"""How the solution is learned, and measured beside the true one."""

import functools
import math

import jax
import jax.numpy as jnp
import numpy as np

from torchlean_jax.science import pinn
from torchlean_jax.zoo._entry import Entry, Goal
from torchlean_jax.zoo._settings import Settings
from torchlean_jax.zoo.pinn.claims import claims
from torchlean_jax.zoo.pinn.data import points
from torchlean_jax.zoo.pinn.model import Solution

HEAT = pinn.PROBLEMS["heat"]
SETTINGS = Settings(
    steps=3000, batch=256, lr=5e-3, optimizer="adam", weight_decay=0.0, clip=None
)
HELD_OUT = 10_000


def solved(x):
    """The solution of the heat equation from sin(pi x), at (t, x)."""
    return jnp.exp(-0.1 * math.pi**2 * x[0]) * jnp.sin(math.pi * x[1])


def make(width: int = 24) -> Entry:
    """The entry at another width.

    >>> make(4).network.width
    4
    """
    model = Solution(HEAT, width)

    def loss(variables, batch, key):
        return pinn.loss(HEAT, model.u(variables), batch), variables.state

    def evaluate(variables, data) -> dict[str, float]:
        """The largest residual, and distance to the solution, at random points."""
        u = model.u(variables)
        at = jnp.asarray(data.batch(0, HELD_OUT, seed=1))
        off = jax.jit(jax.vmap(pinn.residual_of(HEAT, u)))(at)
        apart = jax.jit(jax.vmap(lambda x: u(x) - solved(x)))(at)
        return {
            "largest_residual": float(np.abs(off).max()),
            "largest_error": float(np.abs(apart).max()),
        }

    def show(variables, data) -> str:
        """The temperature in the middle of the rod, and the true one."""
        lines = ["  time      found   solution"]
        for time in np.linspace(0, 1, 6):
            x = jnp.array([time, 0.5])
            found = model.function(variables)(x)
            lines.append(f"{time:6.1f} {found:10.5f} {solved(x):10.5f}")
        return "\n".join(lines)

    return Entry(
        name="pinn",
        title="physics-informed network, heat equation",
        network=model,
        loss=loss,
        load=functools.partial(points, lo=HEAT.lo, hi=HEAT.hi),
        evaluate=evaluate,
        show=show,
        settings=SETTINGS,
        brief=1000,
        goals=(Goal("largest_residual", most=0.05), Goal("largest_error", most=0.005)),
        claims=claims(model),
        unit="points",
    )


ENTRY = make()
