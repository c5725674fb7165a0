"""Intervals: `[lo, hi]` arrays that contain the real-number result, rounding included.

The rules are in one file per kind of primitive; importing this package loads them all.
"""

from torchlean_jax.domains.interval import (
    _arithmetic,
    _contraction,
    _elementwise,
    _layout,
    _reduce,
)
from torchlean_jax.domains.interval._value import Interval

__all__ = ["Interval"]
