"""Integers on a grid, as a model runs on hardware without floats.

The rules are in one file per kind of primitive; importing this package loads them all.
`torchlean_jax._quantize` walks a model with them.
"""

from torchlean_jax.domains.quantized import (
    _arithmetic,
    _contraction,
    _elementwise,
    _layout,
    _reduce,
    _select,
    _softmax,
    _table,
)
from torchlean_jax.domains.quantized._scheme import QuantizationScheme, as_scheme
from torchlean_jax.domains.quantized._value import Quantized, enter, leave

__all__ = ["QuantizationScheme", "Quantized", "as_scheme", "enter", "leave"]
