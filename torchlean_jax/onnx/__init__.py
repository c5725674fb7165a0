"""Networks from ONNX files as plain JAX functions.

Here: reading a file without trusting it, and what each of its operators means in JAX.
Properties of networks (VNN-LIB) are read in `torchlean_jax.vnnlib`. The package `onnx`
is imported when a file is.
"""

from torchlean_jax.onnx._import import Network, from_onnx

__all__ = ["Network", "from_onnx"]
