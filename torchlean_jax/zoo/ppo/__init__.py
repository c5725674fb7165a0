"""Proximal policy optimisation on CartPole, all of it JAX."""

from torchlean_jax.zoo._policy_gradient import advantages
from torchlean_jax.zoo.ppo.model import Policy
from torchlean_jax.zoo.ppo.train import ENTRY

__all__ = ["ENTRY", "Policy", "advantages"]
