"""A transformer encoder that labels lines of source."""

from torchlean_jax.zoo.encoder.model import Config
from torchlean_jax.zoo.encoder.train import ENTRY, make

__all__ = ["ENTRY", "Config", "make"]
