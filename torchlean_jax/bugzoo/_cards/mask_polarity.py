"""A mask of what is hidden, given where what is seen is asked for."""

import jax
import jax.numpy as jnp

import torchlean_jax as tl
from torchlean_jax.bugzoo._card import Card
from torchlean_jax.bugzoo._checks import without_dependence


def faulty(q, k, v):
    future = jnp.triu(jnp.ones((len(q), len(k)), bool), k=1)
    return jax.nn.dot_product_attention(q, k, v, mask=future[None])


def fixed(q, k, v):
    future = jnp.triu(jnp.ones((len(q), len(k)), bool), k=1)
    return jax.nn.dot_product_attention(q, k, v, mask=~future[None])


def examine(attend):
    def layer(x):
        return attend(x, x, x)

    x = jnp.linspace(-1.0, 1.0, 8).reshape(4, 1, 2)  # tokens, heads, width
    report = tl.depends(layer, in_axis=0, out_axis=0)(x)
    return without_dependence(
        report.assert_causal, f"no token sees a later one\n{report}"
    )


CARD = Card(
    name="mask-polarity",
    title="The mask says what to hide, the function asks what to keep",
    family="attention",
    story=(
        "In PyTorch's `nn.MultiheadAttention` True means hidden; in "
        "`scaled_dot_product_attention` and in `jax.nn.dot_product_attention` True "
        "means seen. Code that moves from one to the other keeps its mask and attends "
        "to the future and to nothing else. Nothing fails: the mask is boolean and has "
        "the right shape, and the last row, which sees nothing, becomes a mean."
    ),
    contract="Position t of the result depends on positions 0 to t of the input alone.",
    check="tl.depends",
    faulty=faulty,
    fixed=fixed,
    examine=examine,
    outcome="proved",
    reports=(
        "rasbt/LLMs-from-scratch#1061",
        "hkproj/pytorch-transformer#19",
        "pytorch/pytorch#120668",
    ),
)
