"""Layers that mix the lowest Fourier modes of a periodic function of one variable.

No layer is told where it is, so that the operator commutes with translations, as the
equation does. Source: Li et al. 2021 (arXiv:2010.08895), section 4.
"""

import functools
from dataclasses import dataclass

import jax
import jax.numpy as jnp
from flax import nnx

import torchlean_jax as tl
from torchlean_jax.pallas_kernels import spectral_convolution
from torchlean_jax.zoo._network import Network


@dataclass(frozen=True)
class Config:
    """points: of the grid that is trained on; the network takes any that has at least
    2 modes - 2 of them."""

    points: int = 64
    modes: int = 12
    width: int = 32
    depth: int = 4


class Layer(nnx.Module):
    """The modes by matrices of their own, and every point by one for all."""

    def __init__(self, config: Config, rngs: nnx.Rngs):
        width = config.width
        shape = (2, config.modes, width, width)
        self.modes = nnx.Param(jax.random.normal(rngs.params(), shape) / width)
        self.point = nnx.Linear(width, width, rngs=rngs)

    def __call__(self, x):
        return spectral_convolution(x, jnp.asarray(self.modes[...])) + self.point(x)


class FNO(nnx.Module):
    def __init__(self, config: Config, rngs: nnx.Rngs):
        self.lift = nnx.Linear(1, config.width, rngs=rngs)
        self.layers = nnx.List([Layer(config, rngs) for _ in range(config.depth)])
        self.widen = nnx.Linear(config.width, 2 * config.width, rngs=rngs)
        self.project = nnx.Linear(2 * config.width, 1, rngs=rngs)

    def __call__(self, u):
        """[batch, n], values on n points of the circle, to the same."""
        x = self.lift(u[..., None])
        for number, layer in enumerate(self.layers):
            x = tl.cut(layer(x))  # an identity, at which equal values are found
            if number < len(self.layers) - 1:
                x = tl.cut(jax.nn.gelu(x))
        return self.project(jax.nn.gelu(self.widen(x)))[..., 0]


def network(config: Config) -> Network:
    return Network(functools.partial(_module, config=config))


def _module(rngs: nnx.Rngs, config: Config) -> FNO:
    return FNO(config, rngs)
