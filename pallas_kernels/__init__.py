"""Fused kernels, each beside the formula that it must equal.

Import it as `torchlean_jax.pallas_kernels`; the folder stands at the top of the
repository only so that readers find it. A kernel is a folder: `_reference.py` (the
formula, which interpreters walk), `_kernel.py` (the Pallas kernel), `_op.py` (the
function that users call), `_contract.py` (what it promises, and the named shapes at
which tests and benchmarks look). How promises are checked is
`torchlean_jax.contracts`.
"""

if __name__ != "torchlean_jax.pallas_kernels":
    raise ImportError(
        f"imported as {__name__!r}, which would make a second copy of every class; "
        "write `from torchlean_jax.pallas_kernels...` instead"
    )

from torchlean_jax.pallas_kernels.attention import attention
from torchlean_jax.pallas_kernels.batch_invariant_attention import (
    batch_invariant_attention,
)
from torchlean_jax.pallas_kernels.batch_invariant_matmul import batch_invariant_matmul
from torchlean_jax.pallas_kernels.batch_invariant_rms_norm import (
    batch_invariant_rms_norm,
)
from torchlean_jax.pallas_kernels.cross_entropy import cross_entropy
from torchlean_jax.pallas_kernels.layer_norm import layer_norm
from torchlean_jax.pallas_kernels.linear import linear
from torchlean_jax.pallas_kernels.rms_norm import rms_norm
from torchlean_jax.pallas_kernels.rope import rope
from torchlean_jax.pallas_kernels.scatter_add import scatter_add
from torchlean_jax.pallas_kernels.selective_scan import selective_scan
from torchlean_jax.pallas_kernels.softmax import softmax
from torchlean_jax.pallas_kernels.spectral_convolution import spectral_convolution

__all__ = [
    "attention",
    "batch_invariant_attention",
    "batch_invariant_matmul",
    "batch_invariant_rms_norm",
    "cross_entropy",
    "layer_norm",
    "linear",
    "rms_norm",
    "rope",
    "scatter_add",
    "selective_scan",
    "softmax",
    "spectral_convolution",
]
