"""Three convolutions, each with batch normalisation and ReLU, and a linear layer."""

import functools
from dataclasses import dataclass

import jax
import jax.numpy as jnp
from flax import nnx

from torchlean_jax.zoo._convolution import Convolution
from torchlean_jax.zoo._network import Network
from torchlean_jax.zoo.digits._models import CLASSES, centred

STRIDES = (1, 2, 2)


@dataclass(frozen=True)
class Config:
    """Channels of each convolution. normalised: with batch normalisation."""

    channels: tuple[int, ...] = (16, 32, 64)
    normalised: bool = True


class CNN(nnx.Module):
    """Logits of images of 64 pixels in [0, 1]."""

    def __init__(self, rngs: nnx.Rngs, config: Config):
        sizes = zip((1, *config.channels), config.channels, STRIDES, strict=False)
        self.convolutions = nnx.List(
            [
                Convolution(
                    m, n, stride=stride, normalised=config.normalised, rngs=rngs
                )
                for m, n, stride in sizes
            ]
        )
        self.last = nnx.Linear(2 * 2 * config.channels[-1], CLASSES, rngs=rngs)

    def __call__(self, image):
        x = jnp.reshape(centred(image), (-1, 8, 8, 1))
        for convolution in self.convolutions:
            x = jax.nn.relu(convolution(x))
        return self.last(x.reshape(*image.shape[:-1], -1))


def network(config: Config) -> Network:
    return Network(functools.partial(CNN, config=config))
