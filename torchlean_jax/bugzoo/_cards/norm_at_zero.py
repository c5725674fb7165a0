"""The square of a norm at the zero vector."""

import jax.numpy as jnp

import torchlean_jax as tl
from torchlean_jax.bugzoo._card import Card
from torchlean_jax.bugzoo._checks import same_derivative


def faulty(points):
    between = points[:, None] - points[None, :]
    distance = jnp.linalg.norm(between, axis=-1)
    return jnp.exp(-0.5 * distance**2)


def fixed(points):
    between = points[:, None] - points[None, :]
    return jnp.exp(-0.5 * (between**2).sum(-1))


def examine(kernel):
    points = jnp.array([[0.0, 0.0], [1.0, 2.0]])
    return same_derivative(tl.check_vjp(kernel)(points))


CARD = Card(
    name="norm-at-zero",
    title="The square of a norm at the zero vector",
    family="gradient",
    story=(
        "A Gaussian kernel of all pairs goes through the distance, though it needs its "
        "square only. The diagonal holds distances of points to themselves, where the "
        "norm has no derivative and JAX returns NaN. The kernel is smooth there, and "
        "its gradient is NaN at any data set."
    ),
    contract="The gradient is the derivative wherever the function has one.",
    check="tl.check_vjp",
    faulty=faulty,
    fixed=fixed,
    examine=examine,
    reports=("jax-ml/jax#4177", "jax-ml/jax#21723", "jax-ml/jax#3058"),
    library="jax",
    requires=("flint",),
)
