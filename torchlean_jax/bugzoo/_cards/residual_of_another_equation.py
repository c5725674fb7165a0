"""A physics-informed loss that differentiates by the wrong argument."""

import jax
import jax.numpy as jnp

import torchlean_jax as tl
from torchlean_jax.bugzoo._card import Card
from torchlean_jax.bugzoo._checks import same_function


def faulty(u, t, x):
    """u_t - u_xx, which is 0 for a solution u(t, x) of the heat equation."""
    along_time = jax.grad(u, 0)(t, x)
    bent = jax.grad(jax.grad(u, 1), 0)(t, x)
    return along_time - bent


def fixed(u, t, x):
    along_time = jax.grad(u, 0)(t, x)
    bent = jax.grad(jax.grad(u, 1), 1)(t, x)
    return along_time - bent


def examine(residual):
    def decaying_wave(t, x):
        return jnp.exp(-4 * t) * jnp.sin(2 * x)

    def at_solution(t, x):
        return residual(decaying_wave, t, x)

    def zero(t, x):
        return 0 * t * x

    return same_function(
        tl.equivalent(at_solution, zero)(jnp.float32(0.5), jnp.float32(0.25))
    )


CARD = Card(
    name="residual-of-another-equation",
    title="A network that solves another equation",
    family="science",
    story=(
        "The residual of the heat equation takes its second derivative once by place "
        "and once by time: a 0 for a 1. The loss falls to nothing, since some function "
        "solves that equation too, with the same values at the boundary. There is no "
        "data to contradict it: the loss is all that is known of the solution."
    ),
    contract="The residual of exp(-4 t) sin(2 x), a solution, is 0 everywhere.",
    check="tl.equivalent",
    faulty=faulty,
    fixed=fixed,
    examine=examine,
    sources=(
        "Raissi, Perdikaris, Karniadakis: Physics-informed neural networks, 2019",
    ),
    requires=("flint",),
)
