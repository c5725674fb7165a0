"""Bit-exact binary floating point: the one result that IEEE 754 prescribes.

The arithmetic on bits is in `_kernels/`; the rules are in one file per kind of
primitive, and importing this package loads them all.
"""

from torchlean_jax.domains.ieee32 import (
    _arithmetic,
    _compare,
    _contraction,
    _convolution,
    _elementwise,
    _index,
    _layout,
    _pool,
    _reduce,
    _refused,
    _sort,
)
from torchlean_jax.domains.ieee32._domain import IEEE32
from torchlean_jax.domains.ieee32._format import Flags
from torchlean_jax.domains.ieee32._value import FloatBits

__all__ = ["IEEE32", "Flags", "FloatBits"]
