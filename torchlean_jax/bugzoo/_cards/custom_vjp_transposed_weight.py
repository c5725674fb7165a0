"""A hand-written backward pass that forgets to transpose."""

import jax
import jax.numpy as jnp

import torchlean_jax as tl
from torchlean_jax.bugzoo._card import Card
from torchlean_jax.bugzoo._checks import same_derivative


def faulty(x, weight):
    @jax.custom_vjp
    def dense(x, weight):
        return x @ weight

    def backward(saved, cotangent):
        x, weight = saved
        return cotangent @ weight, x.T @ cotangent

    dense.defvjp(lambda x, weight: (x @ weight, (x, weight)), backward)
    return dense(x, weight)


def fixed(x, weight):
    @jax.custom_vjp
    def dense(x, weight):
        return x @ weight

    def backward(saved, cotangent):
        x, weight = saved
        return cotangent @ weight.T, x.T @ cotangent

    dense.defvjp(lambda x, weight: (x @ weight, (x, weight)), backward)
    return dense(x, weight)


def examine(layer):
    x = jnp.linspace(-1.0, 1.0, 6).reshape(2, 3)
    weight = jnp.linspace(-2.0, 1.0, 9).reshape(3, 3)
    return same_derivative(tl.check_vjp(layer)(x, weight))


CARD = Card(
    name="custom-vjp-transposed-weight",
    title="A backward pass with the weight the wrong way round",
    family="gradient",
    story=(
        "The backward pass of a linear layer multiplies by the weight where its "
        "transpose belongs. With a square weight, as in attention and residual "
        "blocks, all shapes fit. The last layers learn, since the gradient of the "
        "weight itself is right; whatever is below is pushed in a wrong direction."
    ),
    contract="A custom_vjp returns the derivative of its function.",
    check="tl.check_vjp",
    faulty=faulty,
    fixed=fixed,
    examine=examine,
    reports=("pytorch/pytorch.github.io#2135",),
    requires=("flint",),
)
