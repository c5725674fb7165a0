"""A transformer of patches: embedded with their places, mixed, averaged, classified.

Source: Dosovitskiy et al. 2021 (arXiv:2010.11929), equations 1 to 4, with the mean of
the patches for a class token.
"""

import functools
from dataclasses import dataclass

import jax
from flax import nnx

from torchlean_jax.zoo._images import patches
from torchlean_jax.zoo._network import Network
from torchlean_jax.zoo._transformer import Block
from torchlean_jax.zoo.digits._models import CLASSES, centred


@dataclass(frozen=True)
class Config:
    """Sizes. patch: pixels of its side, which divides 8."""

    width: int = 48
    depth: int = 2
    heads: int = 4
    patch: int = 2


class ViT(nnx.Module):
    """Logits of images of 64 pixels in [0, 1]."""

    def __init__(self, rngs: nnx.Rngs, config: Config):
        self.patch = config.patch
        count = (8 // config.patch) ** 2
        self.embed = nnx.Linear(config.patch**2, config.width, rngs=rngs)
        self.places = nnx.Param(
            0.1 * jax.random.normal(rngs.params(), (count, config.width))
        )
        self.blocks = nnx.List(
            [Block(config.width, config.heads, rngs) for _ in range(config.depth)]
        )
        self.norm = nnx.LayerNorm(config.width, rngs=rngs)
        self.last = nnx.Linear(config.width, CLASSES, rngs=rngs)

    def __call__(self, image):
        x = self.embed(patches(centred(image), self.patch)) + self.places[...]
        x = x.reshape(-1, *x.shape[-2:])  # attention takes a batch
        for block in self.blocks:
            x = block(x)
        return self.last(self.norm(x).mean(-2)).reshape(*image.shape[:-1], CLASSES)


def network(config: Config) -> Network:
    return Network(functools.partial(ViT, config=config))
