"""Gradient accumulation that averages averages."""

import jax.numpy as jnp
import numpy as np

import torchlean_jax as tl
from torchlean_jax.bugzoo._card import Card
from torchlean_jax.bugzoo._checks import same_function


def faulty(losses, mask):
    """losses, mask: (micro batches, tokens)."""
    each = jnp.sum(losses * mask, axis=1) / jnp.sum(mask, axis=1)
    return jnp.mean(each)


def fixed(losses, mask):
    """losses, mask: (micro batches, tokens)."""
    each = jnp.sum(losses * mask, axis=1)
    return jnp.sum(each) / jnp.sum(mask)


def examine(accumulated):
    mask = np.array([[1.0, 1.0, 1.0, 1.0], [1.0, 0.0, 0.0, 0.0]])
    losses = jnp.linspace(1.0, 4.5, 8).reshape(2, 4)

    def over_4_tokens_and_1(losses):
        return accumulated(losses, mask)

    def in_one_batch(losses):
        kept = [losses[b, t] for b, t in np.argwhere(mask)]
        return sum(kept) / len(kept)

    return same_function(tl.equivalent(over_4_tokens_and_1, in_one_batch)(losses))


CARD = Card(
    name="gradient-accumulation-mean-of-means",
    title="Gradient accumulation: a mean of means",
    family="loss",
    story=(
        "Each micro batch returns the mean loss of its tokens, and the step averages "
        "these. That is the loss of the whole batch only if all of them hold equally "
        "many tokens; else tokens of short sequences count for more. Runs that were "
        "meant to be the same then differ with the number of accumulation steps."
    ),
    contract="Accumulated over micro batches, the loss is the mean over all tokens.",
    check="tl.equivalent",
    faulty=faulty,
    fixed=fixed,
    examine=examine,
    reports=(
        "huggingface/transformers#34191",
        "huggingface/transformers#35203",
        "huggingface/transformers#37197",
    ),
    requires=("flint",),
)
