"""A Kolmogorov-Arnold network: a learned spline on every edge."""

from torchlean_jax.zoo.kan.model import KAN, basis, edges
from torchlean_jax.zoo.kan.train import ENTRY

__all__ = ["ENTRY", "KAN", "basis", "edges"]
