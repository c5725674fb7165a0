"""A division by zero that is hidden by a mask after it."""

import jax.numpy as jnp

import torchlean_jax as tl
from torchlean_jax.bugzoo._card import Card
from torchlean_jax.bugzoo._checks import same_derivative

MASK = jnp.array([[1.0, 1.0, 0.0], [0.0, 0.0, 0.0]])


def faulty(scores):
    weights = jnp.exp(scores) * MASK
    total = weights.sum(-1, keepdims=True)
    return jnp.where(total > 0, weights / total, 0.0)


def fixed(scores):
    weights = jnp.exp(scores) * MASK
    total = weights.sum(-1, keepdims=True)
    return weights / jnp.where(total > 0, total, 1.0)


def examine(normalise):
    scores = jnp.linspace(-1.0, 1.0, 6).reshape(2, 3)
    return same_derivative(tl.check_vjp(normalise)(scores))


CARD = Card(
    name="masking-after-division",
    title="A division by zero behind a mask",
    family="gradient",
    story=(
        "Rows without any element have the weight 0/0, and a where afterwards puts 0 "
        "in its place. The values are right. Backward the where hands a zero to the "
        "division, which multiplies it by 1/0: the gradient of the whole batch is NaN "
        "as soon as one row is empty."
    ),
    contract="The gradient is the derivative wherever the function has one.",
    check="tl.check_vjp",
    faulty=faulty,
    fixed=fixed,
    examine=examine,
    reports=("jax-ml/jax#347", "jax-ml/jax#1052", "jax-ml/jax#5798"),
    requires=("flint",),
)
