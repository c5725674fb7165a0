"""Every binary floating-point execution of a program, beside what the reals say.

The rules are in one file per kind of primitive; importing this package loads them all.
"""

from torchlean_jax.domains.fp32 import (
    _arithmetic,
    _contraction,
    _discrete,
    _elementary,
    _elementwise,
    _index,
    _layout,
    _order,
    _reduce,
    _refused,
    _scatter,
)
from torchlean_jax.domains.fp32._domain import FP32
from torchlean_jax.domains.fp32._model import ErrorModel, Products
from torchlean_jax.domains.fp32._value import FP32Value

__all__ = ["FP32", "ErrorModel", "FP32Value", "Products"]
