"""Padding masks are tiled over heads in the wrong order."""

import jax
import jax.numpy as jnp

import torchlean_jax as tl
from torchlean_jax.bugzoo._card import Card
from torchlean_jax.bugzoo._checks import without_dependence


def faulty(q, k, v, lengths):
    batch, heads, tokens, width = k.shape
    q, k, v = (x.reshape(batch * heads, tokens, width) for x in (q, k, v))
    seen = jnp.arange(tokens) < lengths[:, None]
    seen = jnp.tile(seen, (heads, 1))
    scores = jnp.einsum("nqd,nkd->nqk", q, k) / jnp.sqrt(width)
    weights = jax.nn.softmax(jnp.where(seen[:, None, :], scores, -1e9))
    return (weights @ v).reshape(batch, heads, tokens, width)


def fixed(q, k, v, lengths):
    batch, heads, tokens, width = k.shape
    q, k, v = (x.reshape(batch * heads, tokens, width) for x in (q, k, v))
    seen = jnp.arange(tokens) < lengths[:, None]
    seen = jnp.repeat(seen, heads, axis=0)
    scores = jnp.einsum("nqd,nkd->nqk", q, k) / jnp.sqrt(width)
    weights = jax.nn.softmax(jnp.where(seen[:, None, :], scores, -1e9))
    return (weights @ v).reshape(batch, heads, tokens, width)


def examine(attend):
    x = jnp.linspace(-1.0, 1.0, 24).reshape(2, 2, 3, 2)  # batch, heads, tokens, width
    lengths = jnp.array([3, 1])
    report = tl.depends(attend, argnums=3, in_axis=0, out_axis=0)(x, x, x, lengths)
    return without_dependence(
        report.assert_batch_independent, f"each row reads its own length\n{report}"
    )


CARD = Card(
    name="padding-mask-of-another-row",
    title="Heads read the padding mask of another row",
    family="attention",
    story=(
        "Heads are folded into the batch, row by row, and the masks are tiled rather "
        "than repeated: the first head of row 0 gets the mask of row 0, the second one "
        "that of row 1. Shapes agree, a batch of one is right, and so is a batch of "
        "equal lengths; otherwise the result of a sentence depends on how long its "
        "neighbours are. When the numbers of rows and heads happen to agree, a mask of "
        "one axis too few does the same by broadcasting."
    ),
    contract="A row of the result does not depend on the lengths of other rows.",
    check="tl.depends",
    faulty=faulty,
    fixed=fixed,
    examine=examine,
    outcome="proved",
    reports=(
        "line/lighthouse#77",
        "ml-explore/mlx-lm#1903",
        "lucidrains/graph-transformer-pytorch#2",
    ),
)
