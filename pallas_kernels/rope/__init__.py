"""Rotary position embedding: forward and backward."""

from torchlean_jax.pallas_kernels.rope._op import rope

__all__ = ["rope"]
