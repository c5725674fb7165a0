"""Positions are counted from the padding on the left."""

import jax
import jax.numpy as jnp

import torchlean_jax as tl
from torchlean_jax.bugzoo._card import Card
from torchlean_jax.bugzoo._checks import same_function


def faulty(tokens, table, mask):
    x = tokens + table[jnp.arange(len(tokens))]
    seen = jnp.tri(len(x), dtype=bool) & mask
    return jax.nn.softmax(jnp.where(seen, x @ x.T, -1e30)) @ x


def fixed(tokens, table, mask):
    positions = jnp.cumsum(mask) - 1
    x = tokens + table[jnp.maximum(positions, 0)]
    seen = jnp.tri(len(x), dtype=bool) & mask
    return jax.nn.softmax(jnp.where(seen, x @ x.T, -1e30)) @ x


def alone(tokens, table):
    """The definition: the text by itself, token by token."""
    rows = []
    for t in range(len(tokens)):
        x = tokens[: t + 1] + table[: t + 1]
        rows.append(jax.nn.softmax(x @ x[t]) @ x)
    return jnp.stack(rows)


def examine(layer):
    def padded(tokens, table):
        pads = jnp.ones((2, tokens.shape[1]))
        mask = jnp.array([False, False, True, True, True])
        return layer(jnp.concatenate([pads, tokens]), table, mask)[2:]

    tokens = jnp.linspace(-1.0, 1.0, 6).reshape(3, 2)
    table = jnp.linspace(1.0, -2.0, 10).reshape(5, 2)  # of position embeddings
    return same_function(tl.equivalent(padded, alone)(tokens, table))


CARD = Card(
    name="left-padding",
    title="Positions are counted from the padding on the left",
    family="position",
    story=(
        "Prompts of a batch are padded on the left, so that all of them end where the "
        "next token goes. The padding is masked, but positions still count from the "
        "edge of the array: the first word of a short prompt is embedded as if two "
        "words stood before it. The longest prompt of each batch is right, and so is "
        "every prompt on its own."
    ),
    contract="A padded prompt gives what the prompt gives on its own.",
    check="tl.equivalent",
    faulty=faulty,
    fixed=fixed,
    examine=examine,
    requires=("flint",),
    reports=(
        "unslothai/unsloth#3699",
        "ndif-team/nnsight#673",
        "tloen/alpaca-lora#315",
        "huggingface/transformers#18478",
    ),
)
