"""Attention heads split by a reshape in place of a transpose."""

import jax.numpy as jnp

import torchlean_jax as tl
from torchlean_jax.bugzoo._card import Card, Finding

HEADS = 2


def faulty(x):
    tokens, width = x.shape
    return x.reshape(HEADS, tokens, width // HEADS)


def fixed(x):
    tokens, width = x.shape
    return x.reshape(tokens, HEADS, width // HEADS).transpose(1, 0, 2)


def examine(split_heads):
    x = jnp.arange(16.0).reshape(4, 4)
    report = tl.depends(split_heads, in_axis=0, out_axis=1)(x)
    try:
        report.assert_batch_independent()
    except tl.DependenceError as error:
        return Finding(False, str(error))
    return Finding(True, "each position of each head holds numbers of that token alone")


CARD = Card(
    name="reshape-for-transpose",
    title="Heads that are made of other tokens",
    family="boundary",
    story=(
        "[tokens, width] has to become [heads, tokens, width / heads]. A reshape to "
        "that shape succeeds and takes the memory as it lies: a head gets the whole of "
        "some tokens at positions of others. The causal mask then hides the wrong "
        "ones, and a model trained this way works, a little, by seeing the future."
    ),
    contract="Position t of each head is made of token t.",
    check="tl.depends",
    faulty=faulty,
    fixed=fixed,
    examine=examine,
    reports=("pytorch/pytorch#118115",),
    sources=("JAX documentation, jax.numpy.reshape: row-major, it moves no axes",),
)
