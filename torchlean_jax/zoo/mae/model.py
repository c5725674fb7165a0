"""A few patches of a digit, encoded, and all of them again.

An `order` [batch, 16] of the patches says which are shown: the first of them.
Source: He et al. 2022 (arXiv:2111.06377), section 3: the encoder gets the patches that
are shown and nothing for the others, the decoder one learned vector for each of those.
"""

import functools
from dataclasses import dataclass

import jax
import jax.numpy as jnp
from flax import nnx

import torchlean_jax as tl
from torchlean_jax.zoo._images import patches
from torchlean_jax.zoo._network import Network
from torchlean_jax.zoo._transformer import Block
from torchlean_jax.zoo.digits._models import centred

SIDE, PATCHES, SHOWN = 2, 16, 4  # pixels; patches of an image; a quarter is shown


@dataclass(frozen=True)
class Config:
    """Sizes. depth, decoded: blocks of the encoder and of the decoder."""

    width: int = 48
    depth: int = 2
    decoded: int = 1
    heads: int = 4


def chosen(x, order):
    """The rows of x [batch, n, width] in the order [batch, m], or those it names.

    >>> chosen(jnp.array([[[5.0], [6.0], [7.0]]]), jnp.array([[2, 0]])).tolist()
    [[[7.0], [5.0]]]
    """
    return jnp.take_along_axis(x, order[..., None], -2)


class MAE(nnx.Module):
    def __init__(self, rngs: nnx.Rngs, config: Config):
        width, heads = config.width, config.heads
        self.embed = nnx.Linear(SIDE**2, width, rngs=rngs)
        init = nnx.initializers.normal(0.1)
        self.places = nnx.Param(init(rngs.params(), (PATCHES, width)))
        self.encoder = nnx.List(
            [Block(width, heads, rngs) for _ in range(config.depth)]
        )
        self.norm_code = nnx.LayerNorm(width, rngs=rngs)
        self.widen = nnx.Linear(width, width, rngs=rngs)
        self.hidden = nnx.Param(init(rngs.params(), (width,)))
        self.places_again = nnx.Param(init(rngs.params(), (PATCHES, width)))
        self.decoder = nnx.List(
            [Block(width, heads, rngs) for _ in range(config.decoded)]
        )
        self.norm = nnx.LayerNorm(width, rngs=rngs)
        self.paint = nnx.Linear(width, SIDE**2, rngs=rngs)

    def encode(self, image, order):
        """The code [batch, SHOWN, width] of images of 64 pixels in [0, 1]."""
        shown = order[:, :SHOWN]
        x = self.embed(chosen(patches(centred(image), SIDE), shown))
        x = x + jnp.take(self.places[...], shown, axis=0)
        for block in self.encoder:
            # An identity. A proof about the code then goes block by block; as one
            # expression it has a degree at which residues decide nothing.
            x = tl.cut(block(x))
        return self.norm_code(x)

    def decode(self, code, order):
        """The pixels [batch, 16, 4] of all patches, in their places."""
        known = self.widen(code)
        size = (len(code), PATCHES - SHOWN, known.shape[-1])
        x = jnp.concatenate([known, jnp.broadcast_to(self.hidden[...], size)], 1)
        x = chosen(x, jnp.argsort(order)) + self.places_again[...]
        for block in self.decoder:
            x = block(x)
        return jax.nn.sigmoid(self.paint(self.norm(x)))

    def __call__(self, image, order):
        return self.decode(self.encode(image, order), order)


def error(found, image, order):
    """The mean square of what the pixels of the patches that were not shown are off."""
    unseen = order[:, SHOWN:]
    off = chosen(found, unseen) - chosen(patches(image, SIDE), unseen)
    return (off**2).mean()


def orders(key, count: int):
    """Some orders of the patches, each as likely: [count, 16].

    >>> sorted(orders(jax.random.key(0), 1)[0].tolist()) == list(range(16))
    True
    """
    return jnp.argsort(jax.random.uniform(key, (count, PATCHES)))


def network(config: Config) -> Network:
    return Network(functools.partial(MAE, config=config))
