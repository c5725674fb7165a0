"""The transformer, in full and one token at a time. Training and sampling are not here.

Sources: Radford et al. 2019 (GPT-2: pre-norm blocks, tied embedding); Su et al. 2021,
arXiv:2104.09864, equation 34 (rotary positions); Zhang and Sennrich 2019,
arXiv:1910.07467 (RMSNorm).
"""

from dataclasses import dataclass
from typing import NamedTuple

import jax
import jax.numpy as jnp
from flax import nnx

import torchlean_jax as tl
from torchlean_jax.zoo._rows import by_rows, narrowed

VOCABULARY = 256  # bytes
PIECE = 64  # queries that attend together


@dataclass(frozen=True)
class Config:
    """Sizes. context: the longest sequence trained on, and what a cache holds."""

    width: int = 128
    depth: int = 5
    heads: int = 4
    context: int = 256
    vocabulary: int = VOCABULARY


class Cache(NamedTuple):
    """Keys and values of the tokens so far, of one layer: [..., context, heads, size].

    Places that no token has reached hold zeros and are masked.
    """

    key: jax.Array
    value: jax.Array


def rotated(x, positions):
    """Rotary positions: pairs (i, i + half) of each head, turned by position * w_i.

    x: [..., time, heads, size]; positions: [..., time]. A product of two rotated
    vectors depends on the difference of their positions alone.
    """
    half = x.shape[-1] // 2
    frequency = 10000.0 ** (-jnp.arange(half) / half)
    angle = (positions[..., None] * frequency)[..., None, :].astype(x.dtype)
    a, b = x[..., :half], x[..., half:]
    cos, sin = read_by_row(jnp.cos(angle)), read_by_row(jnp.sin(angle))
    return jnp.concatenate([a * cos - b * sin, a * sin + b * cos], -1)


def read_by_row(table):
    """`table` itself, [..., time, 1, size], each row taken by its index.

    XLA computes a cosine again wherever it is used, for every row of the batch and head
    (a twentieth of a step); what is taken by an index it computes once.
    """
    rows = jnp.arange(table.shape[-3])
    return jnp.take(table, rows, axis=-3, mode="clip")


def attended(query, key, value, visible):
    """Softmax attention of [..., time, heads, size] on the keys where `visible`."""
    scores = jnp.einsum("...thd,...shd->...hts", query, key) / query.shape[-1] ** 0.5
    scores = jnp.where(visible[..., None, :, :], scores, -jnp.inf)
    weights = jax.nn.softmax(scores.astype(jnp.float32)).astype(value.dtype)
    return jnp.einsum("...hts,...shd->...thd", weights, value)


def attended_by_pieces(query, key, value, visible):
    """`attended` where no query sees a key behind it: PIECE queries at a time, with the
    keys up to the last of them. Those behind it would cost as much as what is seen."""
    time, parts = query.shape[-3], []
    for start in range(0, max(time, 1), PIECE):
        end = min(start + PIECE, time)
        keys, values = key[..., :end, :, :], value[..., :end, :, :]
        queries = query[..., start:end, :, :]
        parts.append(attended(queries, keys, values, visible[..., start:end, :end]))
    return jnp.concatenate(parts, -3)


def causal(queries, keys):
    """Which keys a query sees: those at its own position and before."""
    return keys[..., None, :] <= queries[..., :, None]


class Attention(nnx.Module):
    def __init__(self, config: Config, rngs: nnx.Rngs):
        width = config.width
        self.heads = config.heads
        init = nnx.initializers.normal(0.06)
        self.qkv = nnx.Linear(
            width, 3 * width, use_bias=False, kernel_init=init, rngs=rngs
        )
        init = nnx.initializers.normal(0.02)
        self.out = nnx.Linear(width, width, use_bias=False, kernel_init=init, rngs=rngs)

    def projected(self, x, positions):
        """Rotated queries and keys, and values: [..., time, heads, size] each."""
        parts = jnp.split(by_rows(self.qkv, x), 3, -1)
        query, key, value = (p.reshape(*p.shape[:-1], self.heads, -1) for p in parts)
        return rotated(query, positions), rotated(key, positions), value

    def __call__(self, x, positions, visible):
        mixed = attended_by_pieces(*self.projected(x, positions), visible)
        return by_rows(self.out, mixed.reshape(x.shape))

    def step(self, x, position, cache: Cache):
        """The same for one token `x`, [..., 1, width], and the cache with it added."""
        here = jnp.reshape(position, (1,))
        query, key, value = self.projected(x, here)
        cache = Cache(
            *(
                jax.lax.dynamic_update_slice_in_dim(old, new, position, axis=-3)
                for old, new in zip(cache, (key, value), strict=True)
            )
        )
        places = jnp.arange(cache.key.shape[-3])
        mixed = attended(query, *cache, causal(here, places))
        return self.out(mixed.reshape(x.shape)), cache


class Block(nnx.Module):
    def __init__(self, config: Config, rngs: nnx.Rngs):
        width = config.width
        self.norm_attention = nnx.RMSNorm(width, epsilon=1e-5, rngs=rngs)
        self.attention = Attention(config, rngs)
        self.norm_mlp = nnx.RMSNorm(width, epsilon=1e-5, rngs=rngs)
        init = nnx.initializers.normal(0.06)
        self.up = nnx.Linear(
            width, 4 * width, use_bias=False, kernel_init=init, rngs=rngs
        )
        init = nnx.initializers.normal(0.01)
        self.down = nnx.Linear(
            4 * width, width, use_bias=False, kernel_init=init, rngs=rngs
        )

    def __call__(self, x, positions, visible):
        x = x + self.attention(self.norm_attention(x), positions, visible)
        return self.mixed(x)

    def step(self, x, position, cache: Cache):
        y, cache = self.attention.step(self.norm_attention(x), position, cache)
        return self.mixed(x + y), cache

    def mixed(self, x):
        """`x` through the perceptron; marked, since cached and full decoding have this
        value in common: a proof that they are equal then goes layer by layer."""
        return tl.cut(x + by_rows(self.perceptron, self.norm_mlp(x)))

    def perceptron(self, x):
        return narrowed(jax.nn.silu(self.up(x)), self.down.kernel[...])


class GPT(nnx.Module):
    """From tokens to logits of the next one."""

    def __init__(self, config: Config, rngs: nnx.Rngs):
        self.config = config
        init = nnx.initializers.normal(0.02)
        self.embedding = nnx.Embed(
            config.vocabulary, config.width, embedding_init=init, rngs=rngs
        )
        self.blocks = nnx.List([Block(config, rngs) for _ in range(config.depth)])
        self.norm = nnx.RMSNorm(config.width, epsilon=1e-5, rngs=rngs)

    def __call__(self, tokens, padding=0):
        """Logits [..., time, vocabulary] at every place of tokens [..., time].

        padding: how many of the first tokens are no tokens. What is after them does
        not see them, and has the logits that it would have without them.
        """
        positions = jnp.arange(tokens.shape[-1])
        visible = causal(positions, positions) & (positions >= padding)
        # A padded place sees itself, lest it had nothing to average.
        visible |= positions[:, None] == positions
        return self.logits(self.hidden(self.embedding(tokens), positions, visible))

    def hidden(self, x, positions, visible):
        """The last layer, from embedded tokens: what claims of real inputs take."""
        for block in self.blocks:
            x = block(x, positions, visible)
        return x

    def logits(self, x):
        head = self.embedding.embedding[...].T
        return by_rows(lambda rows: rows @ head, self.norm(x))

    def empty(self, *batch: int, dtype=jnp.float32) -> list[Cache]:
        """A cache for each layer, with no token in it."""
        config = self.config
        shape = (*batch, config.context, config.heads, config.width // config.heads)
        return [Cache(jnp.zeros(shape, dtype), jnp.zeros(shape, dtype))] * config.depth

    def step(self, token, position, caches: list[Cache]):
        """Logits [..., vocabulary] after `token` [...] at `position`, and the caches.

        position: less than the context, the same for all rows of a batch.
        """
        x = self.embedding(token)[..., None, :]
        after = []
        for block, cache in zip(self.blocks, caches, strict=True):
            x, cache = block.step(x, position, cache)
            after.append(cache)
        return self.logits(x)[..., 0, :], after
