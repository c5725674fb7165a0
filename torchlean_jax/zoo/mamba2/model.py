"""Blocks of state spaces with one decay for each head, many states, and a gate.

Memory, pieces and single tokens are as for every decoder with states
(`zoo._state_spaces`). Source: Dao and Gu 2024 (arXiv:2405.21060), sections 5.1 and 7,
figure 6 on the right: all that a step depends on is one projection of its input.
"""

import functools
from dataclasses import dataclass

import jax
import jax.numpy as jnp
from flax import nnx

import torchlean_jax as tl
from torchlean_jax.zoo._network import Network
from torchlean_jax.zoo._rows import by_rows, narrowed
from torchlean_jax.zoo._state_spaces import Convolution, Decoder, Memory, step_sizes
from torchlean_jax.zoo.mamba2.duality import dual


@dataclass(frozen=True)
class Config:
    """Sizes. heads, of `size` channels each; states: numbers that each channel carries;
    taps: of the convolution; context: trained on; chunk: inputs read by one product."""

    width: int = 128
    depth: int = 8
    heads: int = 4
    size: int = 64
    states: int = 64
    taps: int = 4
    context: int = 256
    vocabulary: int = 256
    chunk: int = 64


def _rates(key, shape, dtype=jnp.float32):
    """Logarithms of rates of decay between 1 and 16, as the authors' code has them."""
    return jnp.log(jax.random.uniform(key, shape, dtype, minval=1.0, maxval=16.0))


class Block(nnx.Module):
    def __init__(self, config: Config, rngs: nnx.Rngs):
        self.config = config
        width, heads = config.width, config.heads
        self.inner = inner = heads * config.size
        linear = functools.partial(nnx.Linear, use_bias=False, rngs=rngs)
        self.norm = nnx.RMSNorm(width, epsilon=1e-5, rngs=rngs)
        self.into = linear(width, 2 * inner + 2 * config.states + heads)
        self.mix = Convolution(config.taps, inner + 2 * config.states, rngs)
        self.steps = nnx.Param(step_sizes(rngs.params(), (heads,)))
        self.rates = nnx.Param(_rates(rngs.params(), (heads,)))
        self.skip = nnx.Param(jnp.ones(heads))
        self.norm_gated = nnx.RMSNorm(inner, epsilon=1e-5, rngs=rngs)
        small = nnx.initializers.normal((inner * config.depth) ** -0.5)
        self.out = linear(inner, width, kernel_init=small)

    def empty(self, batch: int) -> Memory:
        config = self.config
        state = jnp.zeros((batch, config.heads, config.states, config.size))
        return Memory(self.mix.empty(batch), state)

    def __call__(self, x, memory: Memory):
        """[batch, time, width] to the same, and the memory after it."""
        config, inner = self.config, self.inner
        parts = by_rows(self.into, self.norm(x))
        ends = inner, 2 * inner + 2 * config.states
        gate, given, delta = jnp.split(parts, ends, -1)
        mixed, recent = self.mix(given, memory.recent)
        u, b, c = jnp.split(
            tl.cut(jax.nn.silu(mixed)), (inner, inner + config.states), -1
        )
        u = u.reshape(*u.shape[:2], config.heads, config.size)
        delta = tl.cut(jax.nn.softplus(delta + self.steps[...]))
        a = -jnp.exp(self.rates[...])
        y, state = dual(u, delta, a, b, c, memory.state, config.chunk)
        y = (y + self.skip[...][:, None] * u).reshape(gate.shape)
        y = self.norm_gated(tl.cut(y * jax.nn.silu(gate)))
        y = by_rows(lambda rows: narrowed(rows, self.out.kernel[...]), y)
        return tl.cut(x + y), Memory(recent, state)  # an identity, for proofs


class Mamba2(Decoder):
    def __init__(self, rngs: nnx.Rngs, config: Config):
        super().__init__(Block, config, rngs)


def network(config: Config) -> Network:
    return Network(functools.partial(Mamba2, config=config))
