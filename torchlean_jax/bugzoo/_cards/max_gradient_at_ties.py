"""The gradient of a maximum where both sides are equal."""

import jax
import jax.numpy as jnp

import torchlean_jax as tl
from torchlean_jax.bugzoo._card import Card
from torchlean_jax.bugzoo._checks import same_function


def faulty(x):
    return jnp.maximum(x, 0.0)


def fixed(x):
    return jax.nn.relu(x)


def examine(activation):
    def slopes(x):
        return jax.grad(lambda x: activation(x).sum())(x)

    def published(x):
        return jnp.where(x > 0, 1.0, 0.0)

    return same_function(tl.equivalent(slopes, published)(jnp.float32([-1, 0, 2])))


CARD = Card(
    name="max-gradient-at-ties",
    title="A rectifier whose gradient at zero is one half",
    family="gradient",
    story=(
        "A rectifier is written as the maximum with 0. At a tie JAX gives half of the "
        "gradient to each side, where the network that is ported passes none: padding "
        "and dead units, exactly 0, begin to learn. As XLA on processors reads "
        "subnormal numbers as 0, ties reach from -1.17e-38 to 1.17e-38."
    ),
    contract="The gradient at x is 1 for x > 0, and 0 for x <= 0 as it was trained.",
    check="tl.equivalent",
    faulty=faulty,
    fixed=fixed,
    examine=examine,
    reports=("jax-ml/jax#37821",),
    library="jax",
    requires=("flint",),
)
