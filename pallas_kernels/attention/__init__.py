"""Attention: forward and backward, without an array of scores."""

from torchlean_jax.pallas_kernels.attention._op import attention

__all__ = ["attention"]
