"""Attention whose queries have the same bits in every batch and with any padding."""

from torchlean_jax.pallas_kernels.batch_invariant_attention._op import (
    batch_invariant_attention,
)

__all__ = ["batch_invariant_attention"]
