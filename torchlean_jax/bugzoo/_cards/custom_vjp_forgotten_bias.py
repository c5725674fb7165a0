"""A hand-written backward pass without a gradient for the bias."""

import jax
import jax.numpy as jnp

import torchlean_jax as tl
from torchlean_jax.bugzoo._card import Card
from torchlean_jax.bugzoo._checks import same_derivative


def faulty(x, weight, bias):
    @jax.custom_vjp
    def dense(x, weight, bias):
        return x @ weight + bias

    def backward(saved, cotangent):
        x, weight = saved
        return cotangent @ weight.T, x.T @ cotangent, None

    dense.defvjp(lambda x, w, b: (x @ w + b, (x, w)), backward)
    return dense(x, weight, bias)


def fixed(x, weight, bias):
    @jax.custom_vjp
    def dense(x, weight, bias):
        return x @ weight + bias

    def backward(saved, cotangent):
        x, weight = saved
        return cotangent @ weight.T, x.T @ cotangent, cotangent.sum(0)

    dense.defvjp(lambda x, w, b: (x @ w + b, (x, w)), backward)
    return dense(x, weight, bias)


def examine(layer):
    x = jnp.linspace(-1.0, 1.0, 6).reshape(2, 3)
    weight = jnp.linspace(-2.0, 1.0, 12).reshape(3, 4)
    return same_derivative(tl.check_vjp(layer)(x, weight, jnp.ones(4)))


CARD = Card(
    name="custom-vjp-forgotten-bias",
    title="A backward pass that returns None for the bias",
    family="gradient",
    story=(
        "A fused layer began without a bias. When one was added, its backward pass "
        "was given None in the third place, which JAX takes as a zero. Nothing is "
        "raised, the bias stays at what it was initialised with, and the layer above "
        "learns around it."
    ),
    contract="A custom_vjp returns the derivative of its function, for each argument.",
    check="tl.check_vjp",
    faulty=faulty,
    fixed=fixed,
    examine=examine,
    reports=("pytorch/ao#4817",),
    requires=("flint",),
)
