"""A leaky rectifier made of two rectifiers."""

import jax
import jax.numpy as jnp

import torchlean_jax as tl
from torchlean_jax.bugzoo._card import Card
from torchlean_jax.bugzoo._checks import same_derivative


def faulty(x, slope):
    return jax.nn.relu(x) - slope * jax.nn.relu(-x)


def fixed(x, slope):
    return jnp.where(x > 0, x, slope * x)


def examine(activation):
    x = jnp.array([-1.0, 0.0, 2.0])
    slope = jnp.float32(1.0)  # an identity, before it is trained
    return same_derivative(tl.check_vjp(activation)(x, slope))


CARD = Card(
    name="prelu-as-a-difference",
    title="A leaky rectifier with a dead point",
    family="gradient",
    story=(
        "A leaky rectifier with a trained slope is the difference of two rectifiers: "
        "right everywhere. At 0 each of the two passes no gradient, so that their "
        "difference passes none, though the function rises there on both sides. Units "
        "behind a layer that starts at zero never begin to learn."
    ),
    contract="The gradient is the derivative, or lies between derivatives close by.",
    check="tl.check_vjp",
    faulty=faulty,
    fixed=fixed,
    examine=examine,
    sources=(
        "Kakade, Lee: Provably Correct Automatic Subdifferentiation for Qualified "
        "Programs, NeurIPS 2018",
        "Keras, PReLU.call: relu(x) - alpha * relu(-x)",
    ),
    requires=("flint",),
)
