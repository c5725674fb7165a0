"""The reals: arrays of arbitrary-precision balls, through python-flint's Arb.

The rules are in one file per kind of primitive; importing this package loads them all,
and python-flint only when a program runs.
"""

from torchlean_jax.domains.real import (
    _arithmetic,
    _compare,
    _complex,
    _contraction,
    _elementwise,
    _fft,
    _index,
    _layout,
    _linalg,
    _order,
    _pool,
    _ragged,
    _random,
    _reduce,
    _special,
)
from torchlean_jax.domains.real._domain import Real
from torchlean_jax.domains.real._value import RealArray

__all__ = ["Real", "RealArray"]
