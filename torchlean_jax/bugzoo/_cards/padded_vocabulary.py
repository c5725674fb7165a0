"""Rows that only pad the vocabulary get probability."""

import jax
import jax.numpy as jnp

import torchlean_jax as tl
from torchlean_jax.bugzoo._card import Card, Finding

WORDS = 5  # the head has 8 rows: a multiple of 8 is faster


def faulty(hidden, head):
    logits = head @ hidden
    return jax.nn.softmax(logits)


def fixed(hidden, head):
    logits = head @ hidden
    logits = jnp.where(jnp.arange(len(head)) < WORDS, logits, -jnp.inf)
    return jax.nn.softmax(logits)


def examine(probabilities):
    head = jnp.linspace(-1.0, 1.0, 24).reshape(8, 3).at[WORDS:].set(0.0)
    hidden = tl.box(jnp.array([0.5, -0.5, 0.25]), radius=0.1)

    def of_no_word(hidden):
        return probabilities(hidden, head)[WORDS:].sum()

    bound = tl.interpret(of_no_word, domain=tl.Interval)(hidden)
    said = (
        f"ids {WORDS} to {len(head) - 1}, which no word has, get a probability between "
        f"{float(bound.lo):.3g} and {float(bound.hi):.3g}, for all hidden states "
        "within 0.1 of [0.5, -0.5, 0.25]"
    )
    # not 0 itself: rounding outward adds a few of the smallest normal numbers, 1.2e-38
    return Finding(float(bound.hi) < 1e-30, said)


CARD = Card(
    name="padded-vocabulary",
    title="Rows that only pad the vocabulary get probability",
    family="text",
    story=(
        "The output matrix is padded to a multiple of 8 or 64, because products of "
        "such shapes are faster. The rows that no word owns are zero or untrained, "
        "their logits are ordinary numbers, and the softmax gives them a share. "
        "Mostly the share is small; at a high temperature, or after quantisation, a "
        "sampler returns an id that the tokenizer does not know."
    ),
    contract="Ids that the tokenizer does not know have probability 0.",
    check="tl.interpret(domain=tl.Interval)",
    faulty=faulty,
    fixed=fixed,
    examine=examine,
    outcome="proved",
    reports=(
        "Blaizzy/mlx-vlm#1917",
        "huggingface/transformers#18268",
        "facebookresearch/metaseq#469",
    ),
)
