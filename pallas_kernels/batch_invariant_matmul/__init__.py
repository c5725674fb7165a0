"""Matrix product whose rows have the same bits in every batch."""

from torchlean_jax.pallas_kernels.batch_invariant_matmul._op import (
    batch_invariant_matmul,
)

__all__ = ["batch_invariant_matmul"]
