"""A convolutional network with batch normalisation, on digits."""

from torchlean_jax.zoo.cnn.model import CNN, folded
from torchlean_jax.zoo.cnn.train import ENTRY

__all__ = ["CNN", "ENTRY", "folded"]
