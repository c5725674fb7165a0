"""A convolutional network with batch normalisation, on digits."""

from torchlean_jax.zoo.cnn.model import CNN, Config
from torchlean_jax.zoo.cnn.train import ENTRY, make

__all__ = ["CNN", "ENTRY", "Config", "make"]
