"""A byte-level Mamba: selective state spaces in place of attention."""

from torchlean_jax.zoo.mamba.model import Config, Mamba, parallel_scan
from torchlean_jax.zoo.mamba.train import ENTRY, make

__all__ = [
    "ENTRY",
    "Config",
    "Mamba",
    "make",
    "parallel_scan",
]
