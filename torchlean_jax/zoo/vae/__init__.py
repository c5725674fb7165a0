"""A variational autoencoder of digits."""

from torchlean_jax.zoo.vae.model import VAE, divergence
from torchlean_jax.zoo.vae.train import ENTRY

__all__ = ["ENTRY", "VAE", "divergence"]
