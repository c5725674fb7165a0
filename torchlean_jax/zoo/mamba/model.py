"""Blocks of selective state spaces: a decay for each channel and state.

Memory, pieces and single tokens are as for every decoder with states
(`zoo._state_spaces`). Source: Gu and Dao 2023 (arXiv:2312.00752), figure 3 and
algorithm 2.
"""

import functools
from dataclasses import dataclass

import jax
import jax.numpy as jnp
from flax import nnx

import torchlean_jax as tl
from torchlean_jax.pallas_kernels.selective_scan import selective_scan
from torchlean_jax.zoo._network import Network
from torchlean_jax.zoo._state_spaces import Convolution, Decoder, Memory, step_sizes


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


class Block(nnx.Module):
    def __init__(self, config: Config, rngs: nnx.Rngs):
        self.config = config
        width, inner, rank = config.width, config.inner, config.rank
        linear = functools.partial(nnx.Linear, use_bias=False, rngs=rngs)
        self.norm = nnx.RMSNorm(width, epsilon=1e-5, rngs=rngs)
        self.into = linear(width, 2 * inner)
        self.mix = Convolution(config.taps, inner, rngs)
        self.select = linear(inner, rank + 2 * config.states)
        self.widen = nnx.Linear(rank, inner, bias_init=step_sizes, rngs=rngs)
        ladder = jnp.log(jnp.arange(1.0, config.states + 1))
        self.rates = nnx.Param(jnp.tile(ladder, (inner, 1)))  # of decay, as logarithms
        self.skip = nnx.Param(jnp.ones(inner))
        self.out = linear(inner, width)

    def empty(self, batch: int) -> Memory:
        config = self.config
        state = jnp.zeros((batch, config.inner, config.states))
        return Memory(self.mix.empty(batch), state)

    def __call__(self, x, memory: Memory):
        """[batch, time, width] to the same, and the memory after it."""
        config = self.config
        given, gate = jnp.split(self.into(self.norm(x)), 2, -1)
        mixed, recent = self.mix(given, memory.recent)
        u = tl.cut(jax.nn.silu(mixed))
        ends = config.rank, config.rank + config.states
        low, b, c = jnp.split(self.select(u), ends, -1)
        delta = tl.cut(jax.nn.softplus(self.widen(low)))
        a = -jnp.exp(self.rates[...])
        scan = parallel_scan if config.parallel else selective_scan
        skip = jnp.asarray(self.skip[...])  # a checkpoint's arrays are NumPy's
        y, state = scan(u, delta, a, b, c, skip, z=gate, state=memory.state)
        return tl.cut(x + self.out(y)), Memory(recent, state)  # an identity, for proofs


class Mamba(Decoder):
    def __init__(self, rngs: nnx.Rngs, config: Config):
        super().__init__(Block, config, rngs)


def network(config: Config) -> Network:
    return Network(functools.partial(Mamba, config=config))
