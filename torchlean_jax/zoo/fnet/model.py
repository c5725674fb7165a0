"""Blocks of Fourier's transform and feed-forward layers over the bytes of a line.

Source: Lee-Thorp et al. 2021 (arXiv:2105.03824), equation 3. Norms are before the
mixing, and padding is 0 there, as in the encoder that this one stands beside.
"""

from dataclasses import dataclass

import jax
import jax.numpy as jnp
from flax import nnx

from torchlean_jax.zoo import _readers as shared
from torchlean_jax.zoo._network import Network
from torchlean_jax.zoo._transformer import Feedforward


@dataclass(frozen=True)
class Config:
    """Sizes. A block has half the parameters of one with attention of its width, so
    that there are twice as many."""

    width: int = 48
    depth: int = 4


def fourier(x):
    """The real part of the transform of [..., places, width] along both axes.

    >>> fourier(jnp.ones((2, 3))).tolist()
    [[6.0, 0.0, 0.0], [0.0, 0.0, 0.0]]
    """
    wide = x.astype(jnp.float32)  # there is no transform in bfloat16
    return jnp.fft.fft2(jax.lax.complex(wide, jnp.zeros_like(wide))).real.astype(
        x.dtype
    )


class Block(Feedforward):
    def __init__(self, width: int, rngs: nnx.Rngs):
        self.norm_mixing = nnx.LayerNorm(width, rngs=rngs)
        super().__init__(width, rngs)

    def __call__(self, x, lengths):
        inside = shared.present(x, lengths)
        return self.fed(x + fourier(jnp.where(inside, self.norm_mixing(x), 0)))


def network(config: Config) -> Network:
    return shared.network(config.width, config.depth, Block)
