"""A network that solves the heat equation, with its distance to the solution proved."""

from torchlean_jax.zoo.pinn.model import Solution
from torchlean_jax.zoo.pinn.train import ENTRY, make

__all__ = ["ENTRY", "Solution", "make"]
