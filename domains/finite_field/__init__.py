"""Finite fields: programs as rational functions and exponentials of their inputs.

The rules are in one file per kind of primitive; importing this package loads them all.
"""

from torchlean_jax.domains.finite_field import (
    _arithmetic,
    _compare,
    _complex,
    _contraction,
    _exponential,
    _layout,
    _order,
    _reduce,
    _refused,
    _roots,
    _slopes,
    _tangents,
    _uninterpreted,
)
from torchlean_jax.domains.finite_field._domain import FiniteField
from torchlean_jax.domains.finite_field._dual import DualArray, DualField
from torchlean_jax.domains.finite_field._layout import CUT
from torchlean_jax.domains.finite_field._value import FieldArray

__all__ = ["CUT", "DualArray", "DualField", "FieldArray", "FiniteField"]
