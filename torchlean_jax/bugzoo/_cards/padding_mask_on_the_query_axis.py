"""A padding mask laid along queries instead of keys."""

import jax
import jax.numpy as jnp

import torchlean_jax as tl
from torchlean_jax.bugzoo._card import Card
from torchlean_jax.bugzoo._checks import without_dependence

PAD = 0


def faulty(x, tokens):
    real = (tokens != PAD)[:, None]
    scores = x @ x.T / jnp.sqrt(x.shape[-1])
    return jax.nn.softmax(jnp.where(real, scores, -1e9)) @ x


def fixed(x, tokens):
    real = (tokens != PAD)[None, :]
    scores = x @ x.T / jnp.sqrt(x.shape[-1])
    return jax.nn.softmax(jnp.where(real, scores, -1e9)) @ x


def examine(attend):
    x = jnp.linspace(-1.0, 1.0, 8).reshape(4, 2)
    tokens = jnp.array([5, 7, PAD, PAD])

    def real_tokens(real, pads):
        return attend(jnp.concatenate([real, pads]), tokens)[:2]

    report = tl.depends(real_tokens, argnums=(0, 1))(x[:2], x[2:])
    return without_dependence(
        lambda: report.assert_independent_of(1),
        f"what stands at padding changes nothing\n{report}",
    )


CARD = Card(
    name="padding-mask-on-the-query-axis",
    title="The padding mask lies along queries instead of keys",
    family="attention",
    story=(
        "Scores have an axis of queries and one of keys of the same length, so a mask "
        "fits along both. Along the queries it does nothing of use: real tokens "
        "attend to padding as before, and the rows of padding, all masked by the same "
        "finite number, become means. Minus infinity would have made those rows NaN, "
        "and somebody would have looked."
    ),
    contract="The results of real tokens do not depend on what stands at padding.",
    check="tl.depends",
    faulty=faulty,
    fixed=fixed,
    examine=examine,
    outcome="proved",
    reports=("hyunwoongko/transformer#40", "autosome-ru/vigg_ribonanza#1"),
)
