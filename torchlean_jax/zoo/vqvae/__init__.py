"""An autoencoder of digits whose code is made of words of a learned codebook."""

from torchlean_jax.zoo.vqvae.model import VQVAE, nearest, straight_through
from torchlean_jax.zoo.vqvae.train import ENTRY

__all__ = ["ENTRY", "VQVAE", "nearest", "straight_through"]
