"""logsumexp with stop_gradient on one of two maxima."""

import jax.numpy as jnp
from jax import lax

import torchlean_jax as tl
from torchlean_jax.bugzoo._card import Card
from torchlean_jax.bugzoo._checks import same_derivative


def faulty(x):
    top = x.max()
    return top + jnp.log(jnp.exp(x - lax.stop_gradient(top)).sum())


def fixed(x):
    top = lax.stop_gradient(x.max())
    return top + jnp.log(jnp.exp(x - top).sum())


def examine(logsumexp):
    return same_derivative(tl.check_vjp(logsumexp)(jnp.array([0.5, 2.0, -1.0])))


CARD = Card(
    name="half-stopped-maximum",
    title="stop_gradient on one maximum of two",
    family="gradient",
    story=(
        "The shift of a logsumexp cancels, so that its gradient may be stopped: at "
        "both places or at none. Here the shift outside still passes a gradient, and "
        "the largest score gets 1 in addition to its probability. Values are right to "
        "the last bit, and no test of values can see it."
    ),
    contract="The gradient is the derivative, whatever was stopped to compute it.",
    check="tl.check_vjp",
    faulty=faulty,
    fixed=fixed,
    examine=examine,
    sources=("JAX, jax.scipy.special.logsumexp: the shift is stopped at both places",),
    requires=("flint",),
)
