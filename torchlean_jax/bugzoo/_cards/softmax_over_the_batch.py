"""A softmax along the axis of the examples."""

import jax
import jax.numpy as jnp

import torchlean_jax as tl
from torchlean_jax.bugzoo._card import Card
from torchlean_jax.bugzoo._checks import without_dependence


def faulty(x, w):
    return jax.nn.softmax(x @ w, axis=0)


def fixed(x, w):
    return jax.nn.softmax(x @ w, axis=-1)


def examine(classify):
    x = jnp.linspace(-1.0, 1.0, 12).reshape(4, 3)
    w = jnp.array([[1.0, -1.0], [0.5, 0.0], [0.0, 2.0]])
    report = tl.depends(classify, in_axis=0, out_axis=0)(x, w)
    return without_dependence(
        report.assert_batch_independent,
        "no example's probabilities depend on another example",
    )


CARD = Card(
    name="softmax-over-the-batch",
    title="A softmax over the batch",
    family="batch",
    story=(
        "The axis is one off, or was left to a default: each column of the batch is "
        "normalised in place of each row. All numbers lie between 0 and 1, training "
        "makes the loss smaller, and accuracy is not bad, since the examples of a "
        "batch compete for a class. In service, where a batch holds one example, every "
        "probability is 1."
    ),
    contract="No row of the output depends on another row of the batch.",
    check="tl.depends",
    faulty=faulty,
    fixed=fixed,
    examine=examine,
    outcome="proved",
    reports=(
        "ctallec/world-models#10",
        "perone/euclidesdb#2",
        "d2l-ai/d2l-en#2274",
        "batra-mlp-lab/visdial-challenge-starter-pytorch#1",
    ),
)
