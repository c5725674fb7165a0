"""A masked autoencoder of digits."""

from torchlean_jax.zoo.mae.model import MAE, Config
from torchlean_jax.zoo.mae.train import ENTRY, make

__all__ = ["ENTRY", "MAE", "Config", "make"]
