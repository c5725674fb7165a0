"""Rotary pairs are taken from two halves where the weights expect neighbours."""

import jax.numpy as jnp
import numpy as np

import torchlean_jax as tl
from torchlean_jax.bugzoo._card import Card
from torchlean_jax.bugzoo._checks import same_function

FREQUENCIES = np.array([1.0, 0.25], np.float32)


def faulty(x):
    angles = jnp.arange(len(x))[:, None] * FREQUENCIES
    cos, sin = jnp.cos(angles), jnp.sin(angles)
    a, b = jnp.split(x, 2, axis=-1)
    return jnp.concatenate([a * cos - b * sin, a * sin + b * cos], axis=-1)


def fixed(x):
    angles = jnp.arange(len(x))[:, None] * FREQUENCIES
    cos, sin = jnp.cos(angles), jnp.sin(angles)
    a, b = x[:, 0::2], x[:, 1::2]
    return jnp.stack([a * cos - b * sin, a * sin + b * cos], axis=-1).reshape(x.shape)


def by_matrices(x):
    """The definition: at position t, channels 2i and 2i + 1 turn by t * frequency i."""
    rows = []
    for t in range(len(x)):
        for i, frequency in enumerate(FREQUENCIES):
            cos, sin = jnp.cos(t * frequency), jnp.sin(t * frequency)
            turn = jnp.array([[cos, -sin], [sin, cos]])
            rows.append(turn @ x[t, 2 * i : 2 * i + 2])
    return jnp.concatenate(rows).reshape(x.shape)


def examine(rotate):
    def scores(queries, keys):
        return rotate(queries) @ rotate(keys).T

    def expected(queries, keys):
        return by_matrices(queries) @ by_matrices(keys).T

    queries, keys = jnp.linspace(-1.0, 1.0, 24).reshape(2, 3, 4)
    return same_function(tl.equivalent(scores, expected)(queries, keys))


CARD = Card(
    name="rope-interleaved-or-halves",
    title="Rotary pairs from two halves, weights that expect neighbours",
    family="position",
    story=(
        "Rotary embeddings turn pairs of channels. The paper and the weights published "
        "by Meta pair neighbours, (0, 1), (2, 3); GPT-NeoX and the converted weights "
        "of Hugging Face pair the two halves, (0, d/2), (1, d/2 + 1). Each is right "
        "with weights permuted for it, and with the other's the model still "
        "speaks, only less well: at position 0 nothing turns, and norms are kept."
    ),
    contract="Scores are those of the pairing that the weights were trained with.",
    check="tl.equivalent",
    faulty=faulty,
    fixed=fixed,
    examine=examine,
    requires=("flint",),
    reports=(
        "huggingface/transformers#25199",
        "tenstorrent/tt-metal#26844",
        "huggingface/transformers#47403",
        "InternLM/lmdeploy#2639",
    ),
    sources=("Su et al. 2021, RoFormer (arXiv:2104.09864), eq. 15",),
)
