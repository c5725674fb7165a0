"""Digits read row by row by a GRU."""

from torchlean_jax.zoo.gru.model import CELL, published
from torchlean_jax.zoo.gru.train import ENTRY, make

__all__ = ["CELL", "ENTRY", "make", "published"]
