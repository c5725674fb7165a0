"""Digits read row by row by Elman's cell."""

from torchlean_jax.zoo.rnn.model import CELL, published
from torchlean_jax.zoo.rnn.train import ENTRY, make

__all__ = ["CELL", "ENTRY", "make", "published"]
