"""A Fourier neural operator: from what a ground lets through to the pressure in it."""

from torchlean_jax.zoo.darcy.model import Config, Darcy
from torchlean_jax.zoo.darcy.train import ENTRY, make

__all__ = ["ENTRY", "Config", "Darcy", "make"]
