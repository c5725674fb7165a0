"""Blocks of attention and feed-forward layers over the bytes of a line.

Source: Vaswani et al. 2017 (arXiv:1706.03762), section 3.1, with learned places and the
mean over the line in the end.
"""

import functools
from dataclasses import dataclass

from torchlean_jax.zoo import _readers as shared
from torchlean_jax.zoo._network import Network
from torchlean_jax.zoo._transformer import Block


@dataclass(frozen=True)
class Config:
    """Sizes. width: a multiple of the number of heads."""

    width: int = 48
    depth: int = 2
    heads: int = 4


def network(config: Config) -> Network:
    block = functools.partial(Block, heads=config.heads)
    return shared.network(config.width, config.depth, block)
