"""A causal mask with the wrong diagonal."""

import jax
import jax.numpy as jnp

import torchlean_jax as tl
from torchlean_jax.bugzoo._card import Card, Finding


def faulty(q, k, v):
    scores = q @ k.T / jnp.sqrt(q.shape[-1])
    mask = jnp.tril(jnp.ones(scores.shape, bool), k=1)
    return jax.nn.softmax(jnp.where(mask, scores, -jnp.inf)) @ v


def fixed(q, k, v):
    scores = q @ k.T / jnp.sqrt(q.shape[-1])
    mask = jnp.tril(jnp.ones(scores.shape, bool))
    return jax.nn.softmax(jnp.where(mask, scores, -jnp.inf)) @ v


def examine(attend):
    x = jnp.linspace(-1.0, 1.0, 12).reshape(4, 3)
    report = tl.depends(lambda x: attend(x, x, x), in_axis=0, out_axis=0)(x)
    try:
        report.assert_causal()
    except tl.DependenceError as error:
        return Finding(False, str(error))
    return Finding(True, "no token can see a later one")


CARD = Card(
    name="causal-mask-off-by-one",
    title="A causal mask with the wrong diagonal",
    family="attention",
    story=(
        "tril(k=1) keeps one diagonal too many, so that each token sees the next one. "
        "Training loss falls to nearly nothing, shapes and dtypes are right, and the "
        "model is useless in decoding, where the next token is not there yet."
    ),
    contract="Position t of the result depends on positions 0 to t of the input alone.",
    check="tl.depends",
    faulty=faulty,
    fixed=fixed,
    examine=examine,
    reports=("keras-team/keras#23038", "jax-ml/jax#19237"),
)
