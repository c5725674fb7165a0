"""Intervals: `[lo, hi]` arrays that contain the real-number result, rounding included.

The rules are in one file per kind of primitive; importing this package loads them all.
"""

from torchlean_jax.domains.interval import (
    _activations,
    _arithmetic,
    _boolean,
    _compare,
    _complex,
    _contraction,
    _elementwise,
    _fft,
    _index,
    _integer,
    _layout,
    _linalg,
    _monotone,
    _order,
    _periodic,
    _pool,
    _power,
    _product,
    _random,
    _reduce,
    _scatter,
)
from torchlean_jax.domains.interval._value import Interval

__all__ = ["Interval"]
