"""An autoencoder of digits."""

from torchlean_jax.zoo.ae.model import Autoencoder
from torchlean_jax.zoo.ae.train import ENTRY

__all__ = ["ENTRY", "Autoencoder"]
