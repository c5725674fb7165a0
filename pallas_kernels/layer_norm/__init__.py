"""LayerNorm: forward and backward."""

from torchlean_jax.pallas_kernels.layer_norm._op import layer_norm

__all__ = ["layer_norm"]
