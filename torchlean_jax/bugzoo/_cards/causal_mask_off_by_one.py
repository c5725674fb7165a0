"""A causal mask with the wrong diagonal."""

import jax
import jax.numpy as jnp

import torchlean_jax as tl
from torchlean_jax.bugzoo._card import Card
from torchlean_jax.bugzoo._checks import without_dependence


def faulty(q, k, v):
    scores = q @ k.T / jnp.sqrt(q.shape[-1])
    mask = jnp.tril(jnp.ones(scores.shape, bool), k=1)
    return jax.nn.softmax(jnp.where(mask, scores, -jnp.inf)) @ v


def fixed(q, k, v):
    scores = q @ k.T / jnp.sqrt(q.shape[-1])
    mask = jnp.tril(jnp.ones(scores.shape, bool))
    return jax.nn.softmax(jnp.where(mask, scores, -jnp.inf)) @ v


def examine(attend):
    def layer(x):
        return attend(x, x, x)

    x = jnp.linspace(-1.0, 1.0, 12).reshape(4, 3)
    report = tl.depends(layer, in_axis=0, out_axis=0)(x)
    return without_dependence(
        report.assert_causal, f"no token sees a later one\n{report}"
    )


CARD = Card(
    name="causal-mask-off-by-one",
    title="A causal mask with the wrong diagonal",
    family="attention",
    story=(
        "`tril(k=1)` keeps one diagonal too many, so that each token sees the next "
        "one: the argument that is right for the upper triangle of what to hide is "
        "wrong for the lower triangle of what to keep. Training loss falls to nearly "
        "nothing, shapes and dtypes are right, and the model is useless in decoding, "
        "where the next token is not there yet."
    ),
    contract="Position t of the result depends on positions 0 to t of the input alone.",
    check="tl.depends",
    faulty=faulty,
    fixed=fixed,
    examine=examine,
    outcome="proved",
    reports=("pbloem/former#10", "RVC-Boss/GPT-SoVITS#965"),
)
