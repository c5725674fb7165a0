"""Softmax cross-entropy with labels: forward and backward."""

from torchlean_jax.pallas_kernels.cross_entropy._op import cross_entropy

__all__ = ["cross_entropy"]
