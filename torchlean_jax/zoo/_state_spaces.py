"""Decoders with states in place of attention, read in one piece, in several, or token
by token. What a block does is in the model of each entry.

What a block remembers of the past is given and returned, so that there is one way of
reading: a token is a piece of length 1. Source: Gu and Dao 2023 (arXiv:2312.00752),
figure 3 and section 3.6.
"""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from flax import nnx

from torchlean_jax.zoo._rows import by_rows

ENDLESS = 10**9  # tokens: a state has no end, as a cache has


class Memory(NamedTuple):
    """What a block keeps: the inputs that its convolution still needs, [batch,
    taps - 1, channels], and its states, [batch, ..., states]."""

    recent: jax.Array
    state: jax.Array


def step_sizes(key, shape, dtype=jnp.float32):
    """softplus of these is between 1/1000 and 1/10: the source's section 3.6."""
    low, high = jnp.log(1e-3), jnp.log(0.1)
    steps = jax.random.uniform(key, shape, dtype, minval=low, maxval=high)
    return jnp.log(jnp.expm1(jnp.exp(steps)))


class Convolution(nnx.Module):
    """A filter of a few taps for each channel, whose last is on the present input.

    The kernel has the three axes of a convolution's, [taps, 1, channels]: no optimiser
    takes it for a matrix.
    """

    def __init__(self, taps: int, channels: int, rngs: nnx.Rngs):
        bound = taps**-0.5
        self.kernel = nnx.Param(
            jax.random.uniform(
                rngs.params(), (taps, 1, channels), minval=-bound, maxval=bound
            )
        )
        self.bias = nnx.Param(jnp.zeros(channels))

    def empty(self, batch: int):
        taps, _, channels = self.kernel[...].shape
        return jnp.zeros((batch, taps - 1, channels))

    def __call__(self, x, recent):
        """[batch, time, channels] to the same, and the inputs to remember."""
        past, time = jnp.concatenate([recent.astype(x.dtype), x], 1), x.shape[1]
        taps = enumerate(self.kernel[...])
        mixed = sum(tap * past[:, k : k + time] for k, tap in taps)
        return mixed + self.bias[...], past[:, time:]


class Decoder(nnx.Module):
    """From tokens to logits of the next one.

    block: makes one of (config, rngs); it takes x [batch, time, width] and a Memory to
    both after them, and its `empty(batch)` is the memory before the first token.
    """

    def __init__(self, block: Any, config: Any, rngs: nnx.Rngs):
        self.config = config
        init = nnx.initializers.normal(0.02)
        self.embedding = nnx.Embed(
            config.vocabulary, config.width, embedding_init=init, rngs=rngs
        )
        self.blocks = nnx.List([block(config, rngs) for _ in range(config.depth)])
        self.norm = nnx.RMSNorm(config.width, epsilon=1e-5, rngs=rngs)

    def __call__(self, tokens):
        """Logits [..., time, vocabulary] at every place of tokens [..., time]."""
        rows = tokens.reshape(-1, tokens.shape[-1])
        logits, _ = self.read(rows, self.empty(len(rows)))
        return logits.reshape(*tokens.shape, -1)

    def empty(self, batch: int = 1) -> list[Memory]:
        """The memory of each block before the first token."""
        return [block.empty(batch) for block in self.blocks]

    def read(self, tokens, memories: list[Memory]):
        """Logits [batch, time, vocabulary] of the next piece [batch, time] of texts."""
        x, after = self.embedding(tokens), []
        for block, memory in zip(self.blocks, memories, strict=True):
            x, memory = block(x, memory)
            after.append(memory)
        head = self.embedding.embedding[...].T
        return by_rows(lambda rows: rows @ head, self.norm(x)), after

    def step(self, token, position, memories: list[Memory]):
        """Logits [vocabulary] after one token, wherever it is, and the memories."""
        logits, memories = self.read(token[None, None], memories)
        return logits[0, 0], memories
