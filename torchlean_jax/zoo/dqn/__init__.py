"""Deep Q-learning on GridWorld, beside the exact solution of that world."""

from torchlean_jax.zoo.dqn.model import Q
from torchlean_jax.zoo.dqn.train import ENTRY

__all__ = ["ENTRY", "Q"]
