"""A column of predictions minus a row of targets."""

import jax.numpy as jnp

import torchlean_jax as tl
from torchlean_jax.bugzoo._card import Card
from torchlean_jax.bugzoo._checks import same_function


def faulty(w, x, targets):
    predictions = x @ w
    return jnp.mean((predictions - targets) ** 2)


def fixed(w, x, targets):
    predictions = x @ w
    return jnp.mean((predictions[:, 0] - targets) ** 2)


def definition(w, x, targets):
    """One example after the other."""
    count = targets.shape[0]
    losses = [(jnp.dot(x[i], w[:, 0]) - targets[i]) ** 2 for i in range(count)]
    return sum(losses) / count


def examine(loss):
    w = jnp.array([[1.0], [-0.5]])
    x = jnp.linspace(-1.0, 1.0, 8).reshape(4, 2)
    targets = jnp.array([0.0, 1.0, 2.0, 3.0])
    return same_function(tl.equivalent(loss, definition)(w, x, targets))


CARD = Card(
    name="residuals-that-broadcast",
    title="Residuals that broadcast",
    family="loss",
    story=(
        "The network ends in a layer of width one, so predictions have shape (n, 1); "
        "targets have shape (n,). Their difference is an n by n table of every "
        "prediction against every target, and its mean square is a number like any "
        "other. It falls in training, to a model that predicts the mean target."
    ),
    contract="The loss is the mean over examples of (prediction - target)^2.",
    check="tl.equivalent",
    faulty=faulty,
    fixed=fixed,
    examine=examine,
    reports=(
        "pytorch/pytorch#16045",
        "pytorch/pytorch#19699",
        "tensorflow/tensorflow#37770",
        "LAMDA-Tabular/TALENT#92",
    ),
    requires=("flint",),
)
