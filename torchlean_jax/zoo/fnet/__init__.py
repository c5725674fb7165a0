"""An encoder with Fourier's transform for attention."""

from torchlean_jax.zoo.fnet.model import Config, fourier
from torchlean_jax.zoo.fnet.train import ENTRY, make

__all__ = ["ENTRY", "Config", "fourier", "make"]
