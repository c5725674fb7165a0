"""The operator of Burgers' equation, which commutes with translations, as that does."""

import functools
from dataclasses import dataclass

from flax import nnx

from torchlean_jax.zoo._network import Network
from torchlean_jax.zoo.operators._model import Operator


@dataclass(frozen=True)
class Config:
    """points: of the grid that is trained on; the network takes any that has at least
    2 modes - 2 of them."""

    points: int = 64
    modes: int = 12
    width: int = 32
    depth: int = 4


class FNO(Operator):
    def __init__(self, config: Config, rngs: nnx.Rngs):
        super().__init__(1, (config.modes,), config.width, config.depth, rngs)

    def __call__(self, u):
        """[batch, n], values on n points of the circle, to the same."""
        return self.mixed(u[..., None])


def network(config: Config) -> Network:
    return Network(functools.partial(_module, config=config))


def _module(rngs: nnx.Rngs, config: Config) -> FNO:
    return FNO(config, rngs)
