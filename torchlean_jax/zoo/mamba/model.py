"""Blocks of selective state spaces, read in one piece, in several, or token by token.

What a block remembers of the past is given and returned, so that there is one way of
reading: a token is a piece of length 1. Source: Gu and Dao 2023 (arXiv:2312.00752),
figure 3 and algorithm 2.
"""

import functools
from dataclasses import dataclass
from typing import NamedTuple

import jax
import jax.numpy as jnp
from flax import nnx

import torchlean_jax as tl
from torchlean_jax.pallas_kernels.selective_scan import selective_scan
from torchlean_jax.zoo._network import Network


@dataclass(frozen=True)
class Config:
    """Sizes. inner: channels of a block; states: numbers that each of them carries;
    taps: of the convolution; rank: of the step sizes; context: trained on.
    parallel: states by `parallel_scan`, in logarithmic depth."""

    width: int = 64
    depth: int = 3
    inner: int = 128
    states: int = 8
    taps: int = 4
    rank: int = 4
    context: int = 128
    vocabulary: int = 256
    parallel: bool = False


class Memory(NamedTuple):
    """What a block keeps: the inputs that its convolution still needs, [batch,
    taps - 1, inner], and its states, [batch, inner, states]."""

    recent: jax.Array
    state: jax.Array


def parallel_scan(x, delta, a, b, c, d, *, z, state):
    """`selective_scan` as a prefix sum of affine maps h -> decay h + driven.

    Shapes and result are those of `selective_scan`. Source: Blelloch 1990, section
    1.4.1.
    """
    decay = jnp.exp(delta[..., None] * a)
    driven = (delta * x)[..., None] * b[:, :, None, :]
    driven = driven.at[:, 0].add(decay[:, 0] * state)

    def after(first, second):
        return first[0] * second[0], second[0] * first[1] + second[1]

    _, states = jax.lax.associative_scan(after, (decay, driven), axis=1)
    y = (states * c[:, :, None, :]).sum(-1) + d * x
    return y * jax.nn.silu(z), states[:, -1]


def _step_sizes(key, shape, dtype):
    """softplus of these is between 1/1000 and 1/10: the source's section 3.6."""
    low, high = jnp.log(1e-3), jnp.log(0.1)
    steps = jax.random.uniform(key, shape, dtype, minval=low, maxval=high)
    return jnp.log(jnp.expm1(jnp.exp(steps)))


class Block(nnx.Module):
    def __init__(self, config: Config, rngs: nnx.Rngs):
        self.config = config
        width, inner, rank = config.width, config.inner, config.rank
        linear = functools.partial(nnx.Linear, use_bias=False, rngs=rngs)
        self.norm = nnx.RMSNorm(width, epsilon=1e-5, rngs=rngs)
        self.into = linear(width, 2 * inner)
        bound = config.taps**-0.5
        self.taps = nnx.Param(
            jax.random.uniform(
                rngs.params(), (config.taps, inner), minval=-bound, maxval=bound
            )
        )
        self.offset = nnx.Param(jnp.zeros(inner))
        self.select = linear(inner, rank + 2 * config.states)
        self.widen = nnx.Linear(rank, inner, bias_init=_step_sizes, rngs=rngs)
        ladder = jnp.log(jnp.arange(1.0, config.states + 1))
        self.rates = nnx.Param(jnp.tile(ladder, (inner, 1)))  # of decay, as logarithms
        self.skip = nnx.Param(jnp.ones(inner))
        self.out = linear(inner, width)

    def __call__(self, x, memory: Memory):
        """[batch, time, width] to the same, and the memory after it."""
        config = self.config
        given, gate = jnp.split(self.into(self.norm(x)), 2, -1)
        past = jnp.concatenate([memory.recent.astype(given.dtype), given], 1)
        time = given.shape[1]
        mixed = sum(tap * past[:, k : k + time] for k, tap in enumerate(self.taps[...]))
        u = tl.cut(jax.nn.silu(mixed + self.offset[...]))
        ends = config.rank, config.rank + config.states
        low, b, c = jnp.split(self.select(u), ends, -1)
        delta = tl.cut(jax.nn.softplus(self.widen(low)))
        a = -jnp.exp(self.rates[...])
        scan = parallel_scan if config.parallel else selective_scan
        skip = jnp.asarray(self.skip[...])  # a checkpoint's arrays are NumPy's
        y, state = scan(u, delta, a, b, c, skip, z=gate, state=memory.state)
        memory = Memory(past[:, time:], state)
        return tl.cut(x + self.out(y)), memory  # an identity, for proofs


class Mamba(nnx.Module):
    """From tokens to logits of the next one."""

    def __init__(self, rngs: nnx.Rngs, config: Config):
        self.config = config
        init = nnx.initializers.normal(0.02)
        self.embedding = nnx.Embed(
            config.vocabulary, config.width, embedding_init=init, rngs=rngs
        )
        self.blocks = nnx.List([Block(config, rngs) for _ in range(config.depth)])
        self.norm = nnx.RMSNorm(config.width, epsilon=1e-5, rngs=rngs)

    def __call__(self, tokens):
        """Logits [..., time, vocabulary] at every place of tokens [..., time]."""
        rows = tokens.reshape(-1, tokens.shape[-1])
        logits, _ = self.read(rows, self.empty(len(rows)))
        return logits.reshape(*tokens.shape, -1)

    def empty(self, batch: int = 1) -> list[Memory]:
        """The memory of each block before the first token."""
        config = self.config
        recent = jnp.zeros((batch, config.taps - 1, config.inner))
        state = jnp.zeros((batch, config.inner, config.states))
        return [Memory(recent, state)] * config.depth

    def read(self, tokens, memories: list[Memory]):
        """Logits [batch, time, vocabulary] of the next piece [batch, time] of texts."""
        x, after = self.embedding(tokens), []
        for block, memory in zip(self.blocks, memories, strict=True):
            x, memory = block(x, memory)
            after.append(memory)
        return self.norm(x) @ self.embedding.embedding[...].T, after

    def step(self, token, position, memories: list[Memory]):
        """Logits [vocabulary] after one token, wherever it is, and the memories."""
        logits, memories = self.read(token[None, None], memories)
        return logits[0, 0], memories


def network(config: Config) -> Network:
    return Network(functools.partial(Mamba, config=config))
