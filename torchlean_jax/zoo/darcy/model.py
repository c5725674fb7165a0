"""The operator of Darcy's flow: positive inside, 0 around, whatever the weights."""

import functools
from dataclasses import dataclass

import jax
import jax.numpy as jnp
from flax import nnx

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
        walls = jnp.broadcast_arrays(*_walls(a), a)[:2]
        return self.held(self.mixed(jnp.stack([jnp.log(a), *walls], -1)))

    def held(self, found):
        """What the layers found, between 0 and 1, and 0 around."""
        down, along = _walls(found)
        return down * along * jax.nn.sigmoid(found)


def _walls(u):
    """Along both axes of u [..., n, n]: 0 at the ends of a side, 1 in the middle."""
    place = jnp.arange(u.shape[-1]) / u.shape[-1]
    wall = 4 * place * (1 - place)
    return wall[:, None], wall


def network(config: Config) -> Network:
    return Network(functools.partial(_module, config=config))


def _module(rngs: nnx.Rngs, config: Config) -> Darcy:
    return Darcy(config, rngs)
