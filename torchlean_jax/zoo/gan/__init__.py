"""A generative adversarial network of digits."""

from torchlean_jax.zoo.gan.model import GAN, Config
from torchlean_jax.zoo.gan.train import ENTRY, make

__all__ = ["ENTRY", "GAN", "Config", "make"]
