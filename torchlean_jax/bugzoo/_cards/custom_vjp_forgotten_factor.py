"""A hand-written backward pass that forgets the temperature."""

import jax
import jax.numpy as jnp

import torchlean_jax as tl
from torchlean_jax.bugzoo._card import Card
from torchlean_jax.bugzoo._checks import same_derivative

TEMPERATURE = 0.5


def faulty(scores):
    @jax.custom_vjp
    def softmax(scores):
        return jax.nn.softmax(scores / TEMPERATURE)

    def backward(p, cotangent):
        return (p * (cotangent - (p * cotangent).sum()),)

    softmax.defvjp(lambda scores: (softmax(scores),) * 2, backward)
    return softmax(scores)


def fixed(scores):
    @jax.custom_vjp
    def softmax(scores):
        return jax.nn.softmax(scores / TEMPERATURE)

    def backward(p, cotangent):
        return (p * (cotangent - (p * cotangent).sum()) / TEMPERATURE,)

    softmax.defvjp(lambda scores: (softmax(scores),) * 2, backward)
    return softmax(scores)


def examine(normalise):
    return same_derivative(tl.check_vjp(normalise)(jnp.linspace(-1.0, 1.0, 4)))


CARD = Card(
    name="custom-vjp-forgotten-factor",
    title="A backward pass without the temperature",
    family="gradient",
    story=(
        "The textbook backward pass of softmax is put under a softmax with a "
        "temperature. The gradient has the right direction, so that the loss falls, "
        "at a step that is wrong by a factor; a tuned learning rate hides it until "
        "the temperature is changed or annealed."
    ),
    contract="A custom_vjp returns the derivative of its function.",
    check="tl.check_vjp",
    faulty=faulty,
    fixed=fixed,
    examine=examine,
    sources=("JAX documentation, Custom derivative rules for Python functions",),
    requires=("flint",),
)
