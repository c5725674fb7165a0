"""Scatter-add with a fixed order of summation: forward and backward."""

from torchlean_jax.pallas_kernels.scatter_add._op import scatter_add

__all__ = ["scatter_add"]
