"""A vision transformer, on digits."""

from torchlean_jax.zoo.vit.model import Config, ViT
from torchlean_jax.zoo.vit.train import ENTRY, make

__all__ = ["ENTRY", "Config", "ViT", "make"]
