"""Networks from ONNX files as plain JAX functions.

Here: reading a file without trusting it, what each of its operators means in JAX,
PyTorch modules by way of ONNX, and writing a file by jax2onnx.
Properties of networks (VNN-LIB) are read in `torchlean_jax.vnnlib`. The package `onnx`
is imported when a file is.
"""

from torchlean_jax.onnx._export import to_onnx
from torchlean_jax.onnx._import import Network, from_onnx
from torchlean_jax.onnx._torch import ConversionError, from_torch

__all__ = ["ConversionError", "Network", "from_onnx", "from_torch", "to_onnx"]
