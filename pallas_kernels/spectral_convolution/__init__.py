"""The spectral convolution of Fourier neural operators: forward and backward."""

from torchlean_jax.pallas_kernels.spectral_convolution._op import spectral_convolution

__all__ = ["spectral_convolution"]
