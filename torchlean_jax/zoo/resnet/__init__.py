"""A residual network with batch normalisation, on digits."""

from torchlean_jax.zoo.resnet.model import Config, ResNet
from torchlean_jax.zoo.resnet.train import ENTRY, make

__all__ = ["ENTRY", "Config", "ResNet", "make"]
