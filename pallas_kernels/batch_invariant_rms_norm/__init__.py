"""RMSNorm whose rows have the same bits in every batch."""

from torchlean_jax.pallas_kernels.batch_invariant_rms_norm._op import (
    batch_invariant_rms_norm,
)

__all__ = ["batch_invariant_rms_norm"]
