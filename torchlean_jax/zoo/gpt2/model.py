"""GPT-2. What it shares with the byte GPT (masked attention, cache, blocks) is there.

Source: Radford et al. 2019; activation, epsilon and scale as in the published program
(`openai/gpt-2`, `src/model.py`).
"""

import functools

import jax
import jax.numpy as jnp
from flax import nnx

import torchlean_jax as tl
from torchlean_jax.domains._errors import InputError
from torchlean_jax.zoo._network import Network
from torchlean_jax.zoo.gpt.model import GPT, Block, Cache, Config, causal
from torchlean_jax.zoo.gpt.model import Attention as Rotary

EPSILON = 1e-5
SPREAD = nnx.initializers.normal(0.02)


class Attention(Rotary):
    """With biases, and queries and keys as they are: positions are in the input."""

    def __init__(self, config: Config, rngs: nnx.Rngs):
        self.heads = config.heads
        self.qkv = _linear(config.width, 3 * config.width, rngs)
        self.out = _linear(config.width, config.width, rngs)

    def projected(self, x, positions):
        parts = jnp.split(self.qkv(x), 3, -1)
        query, key, value = (p.reshape(*p.shape[:-1], self.heads, -1) for p in parts)
        return query, key, value


class Layer(Block):
    def __init__(self, config: Config, rngs: nnx.Rngs):
        self.norm_attention = _norm(config.width, rngs)
        self.attention = Attention(config, rngs)
        self.norm_mlp = _norm(config.width, rngs)
        self.up = _linear(config.width, 4 * config.width, rngs)
        self.down = _linear(4 * config.width, config.width, rngs)

    def mixed(self, x):
        between = jax.nn.gelu(self.up(self.norm_mlp(x)), approximate=True)
        return tl.cut(x + self.down(between))


class GPT2(GPT):
    """From tokens to logits of the next one."""

    def __init__(self, config: Config, rngs: nnx.Rngs):
        self.config = config
        self.embedding = _table(config.vocabulary, config.width, rngs)
        self.positions = _table(config.context, config.width, rngs)
        self.blocks = nnx.List([Layer(config, rngs) for _ in range(config.depth)])
        self.norm = _norm(config.width, rngs)

    def __call__(self, tokens):  # pyright: ignore
        """Logits [..., time, vocabulary] at every place of tokens [..., time].

        Nothing is padding: learned positions count from the first token. Raises
        InputError for more tokens than there are positions.
        """
        if tokens.shape[-1] > self.config.context:
            raise InputError(
                f"{tokens.shape[-1]} tokens: there are {self.config.context} positions"
            )
        positions = jnp.arange(tokens.shape[-1])
        x = self.embedding(tokens) + self.positions(positions)
        return self.logits(self.hidden(x, positions, causal(positions, positions)))

    def step(self, token, position, caches: list[Cache]):
        """Logits [..., vocabulary] after `token` [...] at `position`, and the caches.

        position: less than the context, the same for all rows of a batch.
        """
        x = (self.embedding(token) + self.positions(jnp.asarray(position)))[
            ..., None, :
        ]
        after = []
        for block, cache in zip(self.blocks, caches, strict=True):
            x, cache = block.step(x, position, cache)
            after.append(cache)
        return self.logits(x)[..., 0, :], after


def network(config: Config) -> Network:
    return Network(functools.partial(_module, config=config))


def _module(rngs, config: Config) -> GPT2:
    return GPT2(config, rngs)


def _linear(inputs: int, outputs: int, rngs: nnx.Rngs) -> nnx.Linear:
    return nnx.Linear(inputs, outputs, kernel_init=SPREAD, rngs=rngs)


def _norm(width: int, rngs: nnx.Rngs) -> nnx.LayerNorm:
    # the variance as it is defined: of E[x^2] - E[x]^2 a large mean leaves nothing
    return nnx.LayerNorm(width, epsilon=EPSILON, use_fast_variance=False, rngs=rngs)


def _table(rows: int, width: int, rngs: nnx.Rngs) -> nnx.Embed:
    return nnx.Embed(rows, width, embedding_init=SPREAD, rngs=rngs)
