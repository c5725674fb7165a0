"""A torque that swings a pendulum up, learned by proximal policy optimisation."""

from torchlean_jax.zoo.pendulum.model import Controller
from torchlean_jax.zoo.pendulum.train import ENTRY

__all__ = ["ENTRY", "Controller"]
