"""Temporal differences with the wrong side held fixed."""

import jax
import jax.numpy as jnp
from jax import lax

import torchlean_jax as tl
from torchlean_jax.bugzoo._card import Card
from torchlean_jax.bugzoo._checks import same_function

DISCOUNT = 0.5


def faulty(weights, state, reward, following):
    target = reward + DISCOUNT * (weights @ following)
    return 0.5 * (target - lax.stop_gradient(weights @ state)) ** 2


def fixed(weights, state, reward, following):
    target = reward + DISCOUNT * (weights @ following)
    return 0.5 * (lax.stop_gradient(target) - weights @ state) ** 2


def examine(loss):
    def published(weights, state, reward, following):
        value = sum(weights[i] * state[i] for i in range(3))
        later = sum(weights[i] * following[i] for i in range(3))
        surprise = reward + DISCOUNT * later - value
        return jnp.stack([-surprise * state[i] for i in range(3)])

    weights, state, following = jnp.linspace(-1.0, 1.0, 9).reshape(3, 3)
    return same_function(
        tl.equivalent(jax.grad(loss), published)(weights, state, 1.0, following)
    )


CARD = Card(
    name="stopped-on-the-wrong-side",
    title="stop_gradient on the prediction in place of the target",
    family="gradient",
    story=(
        "In temporal-difference learning the prediction moves to a target that is held "
        "fixed. With stop_gradient around the other term the loss has the same values, "
        "and the gradient moves the target to the prediction: values of later states "
        "are bent to justify those of earlier ones, away from the rewards."
    ),
    contract="The gradient is the semi-gradient of TD(0): -surprise times the state.",
    check="tl.equivalent",
    faulty=faulty,
    fixed=fixed,
    examine=examine,
    sources=("Sutton, Barto: Reinforcement Learning, 2nd ed. 2018, section 9.3",),
    requires=("flint",),
)
