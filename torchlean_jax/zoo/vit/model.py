"""A transformer of patches: embedded with their places, mixed, averaged, classified.

Source: Dosovitskiy et al. 2021 (arXiv:2010.11929), equations 1 to 4, with the mean of
the patches for a class token.
"""

import functools
from dataclasses import dataclass

import jax
import jax.numpy as jnp
from flax import nnx

from torchlean_jax.pallas_kernels.attention import attention
from torchlean_jax.zoo._network import Network
from torchlean_jax.zoo.digits._models import CLASSES, centred


@dataclass(frozen=True)
class Config:
    """Sizes. patch: pixels of its side, which divides 8."""

    width: int = 48
    depth: int = 2
    heads: int = 4
    patch: int = 2


def patches(image, side: int):
    """[..., 64 pixels] as [..., patches, pixels of a patch], row by row.

    >>> patches(jnp.arange(64), 4)[1, :5].tolist()
    [4, 5, 6, 7, 12]
    """
    count = 8 // side
    x = image.reshape(*image.shape[:-1], count, side, count, side)
    return jnp.swapaxes(x, -3, -2).reshape(*image.shape[:-1], count**2, side**2)


class Attention(nnx.Module):
    def __init__(self, config: Config, rngs: nnx.Rngs):
        self.heads = config.heads
        self.qkv = nnx.Linear(config.width, 3 * config.width, rngs=rngs)
        self.out = nnx.Linear(config.width, config.width, rngs=rngs)

    def __call__(self, x):
        """[batch, patches, width], each patch with a look at all."""
        parts = jnp.split(self.qkv(x), 3, -1)
        q, k, v = (part.reshape(*part.shape[:-1], self.heads, -1) for part in parts)
        return self.out(attention(q, k, v).reshape(x.shape))


class Block(nnx.Module):
    def __init__(self, config: Config, rngs: nnx.Rngs):
        self.norm_attention = nnx.LayerNorm(config.width, rngs=rngs)
        self.attention = Attention(config, rngs)
        self.norm_mlp = nnx.LayerNorm(config.width, rngs=rngs)
        self.up = nnx.Linear(config.width, 2 * config.width, rngs=rngs)
        self.down = nnx.Linear(2 * config.width, config.width, rngs=rngs)

    def __call__(self, x):
        x = x + self.attention(self.norm_attention(x))
        return x + self.down(jax.nn.gelu(self.up(self.norm_mlp(x))))


class ViT(nnx.Module):
    """Logits of images of 64 pixels in [0, 1]."""

    def __init__(self, rngs: nnx.Rngs, config: Config):
        self.patch = config.patch
        count = (8 // config.patch) ** 2
        self.embed = nnx.Linear(config.patch**2, config.width, rngs=rngs)
        self.places = nnx.Param(
            0.1 * jax.random.normal(rngs.params(), (count, config.width))
        )
        self.blocks = nnx.List([Block(config, rngs) for _ in range(config.depth)])
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
