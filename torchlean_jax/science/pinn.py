"""Physics-informed networks: `train` one for a `Problem`, and `certify` its residual
over the whole domain; `residual_document` writes a certificate of that. `PROBLEMS`
holds those that come with the package."""

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
from torchlean_jax.science._residual_document import residual_document

__all__ = [
    "PROBLEMS",
    "Certified",
    "Condition",
    "Problem",
    "certify",
    "initial",
    "loss",
    "network",
    "residual_document",
    "residual_of",
    "sampled",
    "train",
]
