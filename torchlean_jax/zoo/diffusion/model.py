"""A perceptron that predicts the noise in an image of digits, given time and label."""

import functools
from dataclasses import dataclass

import jax
import jax.numpy as jnp
from flax import nnx

from torchlean_jax.zoo._images import CLASSES, PIXELS
from torchlean_jax.zoo._network import Model, Network
from torchlean_jax.zoo.diffusion.schedule import TIMES

NO_LABEL = CLASSES


@dataclass(frozen=True)
class Config:
    width: int = 256
    depth: int = 3


class Denoiser(nnx.Module):
    def __init__(self, rngs: nnx.Rngs, config: Config):
        width = config.width
        self.read = nnx.Linear(PIXELS, width, rngs=rngs)
        self.time = nnx.Embed(TIMES + 1, width, rngs=rngs)
        self.label = nnx.Embed(CLASSES + 1, width, rngs=rngs)
        self.layers = nnx.List(
            [nnx.Linear(width, width, rngs=rngs) for _ in range(config.depth)]
        )
        self.norms = nnx.List(
            [nnx.LayerNorm(width, rngs=rngs) for _ in range(config.depth)]
        )
        self.write = nnx.Linear(width, PIXELS, rngs=rngs)

    def __call__(self, x, time, label):
        """The noise in images of 64 numbers. label: NO_LABEL for any digit."""
        given = self.time(time) + self.label(label)
        hidden = self.read(x)
        for layer, norm in zip(self.layers, self.norms, strict=True):
            hidden = hidden + layer(jax.nn.silu(norm(hidden) + given))
        return self.write(hidden)


def guided(network: Model, variables, label, strength):
    """predict(x, time): away from the prediction for any digit, towards the label's.

    Source: Ho and Salimans 2022 (arXiv:2207.12598), equation 6, with w = strength.
    """
    function = network.function(variables)

    def predict(x, time):
        at = jnp.full(x.shape[:-1], time)
        free = function(x, at, jnp.full_like(label, NO_LABEL))
        return (1 + strength) * function(x, at, label) - strength * free

    return predict


def network(config: Config) -> Network:
    return Network(functools.partial(Denoiser, config=config))
