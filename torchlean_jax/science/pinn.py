"""Physics-informed networks: `train` one for a `Problem`, and `certify` its residual
over the whole domain. `PROBLEMS` holds those that come with the package."""

from torchlean_jax.science._pinn import (
    Certified,
    Condition,
    Problem,
    certify,
    initial,
    loss,
    network,
    residual_of,
    sampled,
    train,
)
from torchlean_jax.science._problems import PROBLEMS

__all__ = [
    "PROBLEMS",
    "Certified",
    "Condition",
    "Problem",
    "certify",
    "initial",
    "loss",
    "network",
    "residual_of",
    "sampled",
    "train",
]
