"""Decoding with a cache starts its rotary positions again at 0."""

import jax
import jax.numpy as jnp
import numpy as np

import torchlean_jax as tl
from torchlean_jax.bugzoo._card import Card
from torchlean_jax.bugzoo._checks import same_function

FREQUENCIES = np.array([1.0, 0.25], np.float32)
PROMPT = 3


def rotate(x, positions):
    angles = positions[:, None] * FREQUENCIES
    a, b = jnp.split(x, 2, axis=-1)
    cos, sin = jnp.cos(angles), jnp.sin(angles)
    return jnp.concatenate([a * cos - b * sin, a * sin + b * cos], axis=-1)


def faulty(q, k, v):
    cached = rotate(k[:PROMPT], jnp.arange(PROMPT))
    positions = jnp.arange(len(q))
    keys = jnp.concatenate([cached, rotate(k[PROMPT:], positions)])
    scores = rotate(q, positions) @ keys.T / jnp.sqrt(q.shape[1])
    seen = jnp.tri(len(q), len(k), k=PROMPT, dtype=bool)
    return jax.nn.softmax(jnp.where(seen, scores, -jnp.inf)) @ v


def fixed(q, k, v):
    cached = rotate(k[:PROMPT], jnp.arange(PROMPT))
    positions = jnp.arange(len(q)) + PROMPT
    keys = jnp.concatenate([cached, rotate(k[PROMPT:], positions)])
    scores = rotate(q, positions) @ keys.T / jnp.sqrt(q.shape[1])
    seen = jnp.tri(len(q), len(k), k=PROMPT, dtype=bool)
    return jax.nn.softmax(jnp.where(seen, scores, -jnp.inf)) @ v


def by_distance(q, k, v):
    """The definition: a score turns by the distance between query and key alone."""
    rows = []
    for i in range(len(q)):
        scores = []
        for j in range(PROMPT + i + 1):
            angle = (PROMPT + i - j) * FREQUENCIES
            along = q[i, :2] * k[j, :2] + q[i, 2:] * k[j, 2:]
            across = q[i, :2] * k[j, 2:] - q[i, 2:] * k[j, :2]
            turned = along * jnp.cos(angle) + across * jnp.sin(angle)
            scores.append(turned.sum() / 2.0)
        rows.append(jax.nn.softmax(jnp.stack(scores)) @ v[: PROMPT + i + 1])
    return jnp.stack(rows)


def examine(decode):
    q = jnp.linspace(-1.0, 1.0, 8).reshape(2, 4)  # two new tokens
    k, v = jnp.linspace(1.0, -1.0, 40).reshape(2, 5, 4)  # three cached, two new
    return same_function(tl.equivalent(decode, by_distance)(q, k, v))


CARD = Card(
    name="rope-position-drift",
    title="Cached decoding starts its rotary positions again at 0",
    family="position",
    story=(
        "The keys of the prompt were rotated when they entered the cache. A later call "
        "sees only the new tokens and numbers them from 0, since that is how many it "
        "was given: new queries are as far from the prompt as if they stood inside "
        "it. The first call, without a cache, is right, and so is every test of one "
        "call; text gets worse with each step."
    ),
    contract="A score depends on the distance between query and key in the whole text.",
    check="tl.equivalent",
    faulty=faulty,
    fixed=fixed,
    examine=examine,
    requires=("flint",),
    reports=(
        "fla-org/flash-linear-attention#766",
        "vllm-project/vllm-metal#144",
        "unslothai/unsloth#3803",
        "ml-explore/mlx-lm#1699",
    ),
    sources=("Su et al. 2021, RoFormer (arXiv:2104.09864), eq. 16",),
)
