"""Matrix product, bias and activation in one: forward and backward."""

from torchlean_jax.pallas_kernels.linear._op import linear

__all__ = ["linear"]
