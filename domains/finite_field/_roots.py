"""Roots, and powers that are no whole ones."""

import numpy as np

from torchlean_jax.domains.finite_field._arithmetic import (
    invert,
    is_short,
    multiply,
    whole_power,
)
from torchlean_jax.domains.finite_field._exponential import exp, log
from torchlean_jax.domains.finite_field._uninterpreted import uninterpreted_odd
from torchlean_jax.domains.finite_field._value import (
    MINUS_INFINITY,
    UNDEFINED,
    VARIABLE,
    FieldArray,
    kinds_of,
    rules,
)


@rules.define("sqrt")
def sqrt(field, x):
    return _root(field, "sqrt", x, np.sqrt)


@rules.define("rsqrt")
def _rsqrt(field, x):
    return invert(field, sqrt(field, x))


@rules.define("cbrt")
def _cbrt(field, x):
    return uninterpreted_odd(field, "cbrt", x)


def _root(field, tag, x, function):
    """Uninterpreted but for root(1/x) = 1/root(x), and roots of squares of constants.

    That root(x)**2 = x is not used: a finite field has two roots or none, and root(x*x)
    must not come out as x by a lucky sign.
    """
    root, exact = _roots_of_squares(x, function)
    if exact.all():
        return field.lift(root).named(x.dtype)
    field.note_arguments(x)
    inverse = invert(field, x)
    names, turned = field.name(x), field.name(inverse)
    value = field.fresh(tag, np.minimum(names, turned))
    zero = (x.residues == 0).all(0)
    value = np.where(zero, np.uint64(0), value)
    kinds = kinds_of(x)
    kinds = np.where(kinds == MINUS_INFINITY, UNDEFINED, kinds)
    kinds = kinds if kinds.any() else None
    least = FieldArray(value, x.dtype, kinds, degree=VARIABLE)
    other = invert(field, least)
    residues = np.where((names <= turned) | zero, least.residues, other.residues)
    residues = np.where(exact, field.lift(root).residues, residues)
    degree = least.degree.beside(other.degree)
    return FieldArray(residues, x.dtype, kinds, degree=degree, nonnegative=True)


def _roots_of_squares(x, function):
    """The roots of constants that are squares of short floats, and which are."""
    if x.held is None or x.kinds is not None:
        return np.zeros(x.shape), np.zeros(x.shape, bool)
    root = function(np.maximum(x.held, 0.0))
    exact = (root * root == x.held) & is_short(root)
    return np.where(exact, root, 0.0), exact


@rules.define("pow")
def _pow(field, x, y):
    """A whole or half constant is a power of x or of its root; else exp(y log x)."""
    exponents = None if y.held is None else np.unique(y.held)
    if exponents is not None and exponents.size == 1 and abs(exponents[0]) < 2**16:
        twice = 2 * float(exponents[0])
        if twice % 2 == 0:
            return whole_power(field, x, y=int(twice) // 2)
        if twice % 1 == 0:
            return whole_power(field, sqrt(field, x), y=int(twice))
    return exp(field, multiply(field, y, log(field, x)))
