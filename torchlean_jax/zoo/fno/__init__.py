"""A Fourier neural operator: from the start of Burgers' equation to its end."""

from torchlean_jax.zoo.fno.model import FNO, Config
from torchlean_jax.zoo.fno.train import ENTRY, make

__all__ = ["ENTRY", "FNO", "Config", "make"]
