"""Residual blocks of two convolutions each, at three sizes of the image.

Source: He, Zhang, Ren, Sun 2015 (arXiv:1512.03385), section 3.3, with projections where
the shape changes (option B); the stem is for images of 8 x 8.
"""

import functools
from dataclasses import dataclass

import jax
import jax.numpy as jnp
from flax import nnx

from torchlean_jax.zoo._convolution import Convolution
from torchlean_jax.zoo._network import Network
from torchlean_jax.zoo.digits._models import CLASSES, centred


@dataclass(frozen=True)
class Config:
    """Channels at each size of the image, halved from one to the next; how many blocks
    at each. normalised: with batch normalisation."""

    channels: tuple[int, ...] = (16, 32, 64)
    blocks: int = 1
    normalised: bool = True


class Block(nnx.Module):
    """relu(shortcut(x) + second(relu(first(x))))."""

    def __init__(self, before, after, stride, config: Config, rngs: nnx.Rngs):
        layer = functools.partial(Convolution, normalised=config.normalised, rngs=rngs)
        self.first = layer(before, after, stride=stride)
        self.second = layer(after, after)
        changes = stride > 1 or before != after
        self.shortcut = layer(before, after, size=1, stride=stride) if changes else None

    def __call__(self, x):
        around = x if self.shortcut is None else self.shortcut(x)
        return jax.nn.relu(around + self.second(jax.nn.relu(self.first(x))))


class ResNet(nnx.Module):
    """Logits of images of 64 pixels in [0, 1]."""

    def __init__(self, rngs: nnx.Rngs, config: Config):
        width = config.channels[0]
        self.stem = Convolution(1, width, normalised=config.normalised, rngs=rngs)
        blocks = []
        for place, channels in enumerate(config.channels):
            for number in range(config.blocks):
                stride = 2 if place and not number else 1
                blocks.append(Block(width, channels, stride, config, rngs))
                width = channels
        self.blocks = nnx.List(blocks)
        self.last = nnx.Linear(width, CLASSES, rngs=rngs)

    def __call__(self, image):
        x = jnp.reshape(centred(image), (-1, 8, 8, 1))
        x = jax.nn.relu(self.stem(x))
        for block in self.blocks:
            x = block(x)
        return self.last(x.mean((1, 2)).reshape(*image.shape[:-1], -1))


def network(config: Config) -> Network:
    return Network(functools.partial(ResNet, config=config))
