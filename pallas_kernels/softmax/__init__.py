"""Masked softmax: forward and backward."""

from torchlean_jax.pallas_kernels.softmax._op import softmax

__all__ = ["softmax"]
