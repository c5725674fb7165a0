"""RMSNorm: forward and backward."""

from torchlean_jax.pallas_kernels.rms_norm._op import rms_norm

__all__ = ["rms_norm"]
