"""A byte-level Mamba-2: many states, whose decays are one number for each head."""

from torchlean_jax.zoo.mamba2.duality import dual
from torchlean_jax.zoo.mamba2.model import Config, Mamba2
from torchlean_jax.zoo.mamba2.train import ENTRY, make

__all__ = ["ENTRY", "Config", "Mamba2", "dual", "make"]
