"""The operator of Darcy's flow: positive inside, 0 around, whatever the weights."""

import functools
from dataclasses import dataclass

import jax
import jax.numpy as jnp
from flax import nnx

import torchlean_jax as tl
from torchlean_jax.zoo._network import Network
from torchlean_jax.zoo.operators._model import Operator


@dataclass(frozen=True)
class Config:
    """points: to a side of the grid that is trained on; modes: of both axes."""

    points: int = 32
    modes: tuple[int, int] = (12, 7)
    width: int = 24
    depth: int = 4


class Darcy(Operator):
    def __init__(self, config: Config, rngs: nnx.Rngs):
        super().__init__(3, config.modes, config.width, config.depth, rngs)

    def __call__(self, a):
        """[batch, n, n], permeabilities at the points j / n, to pressures there."""
        place = jnp.arange(a.shape[-1]) / a.shape[-1]
        wall = 4 * place * (1 - place)  # 0 at both ends of a side, 1 in the middle
        walls = jnp.broadcast_arrays(wall[:, None], wall, a)[:2]
        found = self.mixed(jnp.stack([jnp.log(a), *walls], -1))
        return wall[:, None] * wall * tl.cut(jax.nn.sigmoid(found))


def network(config: Config) -> Network:
    return Network(functools.partial(_module, config=config))


def _module(rngs: nnx.Rngs, config: Config) -> Darcy:
    return Darcy(config, rngs)
