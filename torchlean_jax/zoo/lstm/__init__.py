"""Digits read row by row by an LSTM."""

from torchlean_jax.zoo.lstm.model import CELL, published
from torchlean_jax.zoo.lstm.train import ENTRY, make

__all__ = ["CELL", "ENTRY", "make", "published"]
