"""exp, log and what they make up: powers of a generator, and its discrete logarithm.

exp and log change levels: exp(x) mod p comes of x mod q, log(x) mod q of x mod p. The
residue that a function cannot give is a fresh one that depends on the value alone, so
that equal values keep equal residues at both levels.
"""

from dataclasses import replace

import numpy as np

from torchlean_jax.domains.finite_field._arithmetic import (
    add,
    constant,
    divide,
    invert,
    multiply,
    negate,
    subtract,
)
from torchlean_jax.domains.finite_field._uninterpreted import uninterpreted
from torchlean_jax.domains.finite_field._value import (
    MINUS_INFINITY,
    NUMBER,
    P_ROWS,
    Q_ROWS,
    UNDEFINED,
    VARIABLE,
    FieldArray,
    kinds_of,
    rules,
)


@rules.define("exp")
def exp(field, x):
    if not x.levels[1]:
        field.has_nested_exponential = True
        x = _renewed(field, x)
    field.note_exponents(x)
    value = _powers(field, x)
    residues, kinds = value.residues, None
    if x.kinds is not None:
        residues = np.where(x.kinds == MINUS_INFINITY, np.uint64(0), residues)
        kinds = np.where(x.kinds == MINUS_INFINITY, NUMBER, x.kinds)
    return replace(value, residues=residues, kinds=kinds if np.any(kinds) else None)


def _renewed(field, x):
    """x as a variable mod q: it is known mod p only, where no exponent lives."""
    field.note_arguments(x)
    residues = x.residues.copy()
    residues[1::2] = field.fresh("exponent", field.name(x), rows=Q_ROWS)
    return replace(x, residues=residues, degree=VARIABLE, held=None)


def _powers(field, x, *, scale=(1, 1)) -> FieldArray:
    """generator**(scale x) mod each p; mod q what the value alone decides."""
    residues = np.empty_like(x.residues)
    for k, tower in enumerate(field.towers):
        exponent = x.residues[2 * k + 1] * np.uint64(scale[k]) % np.uint64(tower.q)
        residues[2 * k] = tower.power(exponent)
    return _p_only(field, residues, x.dtype)


def _p_only(field, residues, dtype):
    value = FieldArray(
        residues, dtype, levels=(True, False), degree=VARIABLE, nonnegative=True
    )
    residues[1::2] = field.fresh("exp", field.name(value), rows=Q_ROWS)
    # exp(0) = 1 holds mod q too
    residues[1::2] = np.where((residues[::2] == 1).all(0), 1, residues[1::2])
    return value


@rules.define("log")
def log(field, x):
    if x.is_complex or not x.levels[0]:
        return uninterpreted(field, "log", x)
    field.note_exponents(x)
    known_zero = (x.residues[::2] == 0).all(0)
    residues = np.zeros_like(x.residues)
    for k, tower in enumerate(field.towers):
        row = np.where(x.residues[2 * k] == 0, np.uint64(1), x.residues[2 * k])
        if np.unique(row).size > _MOST_LOGARITHMS:
            return uninterpreted(field, "log", x)
        residues[2 * k + 1] = tower.logarithm(row)
    value = FieldArray(residues, x.dtype, levels=(False, True), degree=VARIABLE)
    residues[::2] = field.fresh("log", field.name(value), rows=P_ROWS)
    residues[::2] = np.where((residues[1::2] == 0).all(0), 0, residues[::2])
    kinds = np.where(kinds_of(x) == MINUS_INFINITY, UNDEFINED, kinds_of(x))
    kinds = np.where((kinds == NUMBER) & known_zero, MINUS_INFINITY, kinds)
    return replace(value, kinds=kinds if kinds.any() else None)


# A discrete logarithm takes some hundred table look-ups; a call with more distinct
# arguments is uninterpreted.
_MOST_LOGARITHMS = 40_000


@rules.define("exp2")
def _exp2(field, x):
    return exp(field, multiply(field, x, _log_of_two(field, x)))


def _log_of_two(field, x):
    return log(field, constant(field, 2.0, x[(0,) * x.ndim] if x.size else x))


@rules.define("log2")
def _log2(field, x):
    return divide(field, log(field, x), _log_of_two(field, x))


@rules.define("expm1")
def _expm1(field, x):
    return subtract(field, exp(field, x), constant(field, 1.0, x))


@rules.define("log1p")
def _log1p(field, x):
    return log(field, add(field, x, constant(field, 1.0, x)))


@rules.define("logistic")
def _logistic(field, x):
    one = constant(field, 1.0, x)
    return divide(field, one, add(field, one, exp(field, negate(field, x))))


@rules.define("tanh")
def _tanh(field, x):
    one, square = constant(field, 1.0, x), exp(field, add(field, x, x))
    return divide(field, subtract(field, square, one), add(field, square, one))


def _exponentials(field, x):
    grown = exp(field, x)
    return grown, invert(field, grown)


@rules.define("cosh")
def _cosh(field, x):
    return _halved(field, add(field, *_exponentials(field, x)))


@rules.define("sinh")
def _sinh(field, x):
    return _halved(field, subtract(field, *_exponentials(field, x)))


def _halved(field, x):
    return multiply(field, x, constant(field, 0.5, x))


def _circle(field, x):
    """(exp(i x), exp(-i x))."""
    if not x.levels[1]:
        field.has_nested_exponential = True
        x = _renewed(field, x)
    field.note_exponents(x)
    value = _powers(field, x, scale=[t.circle for t in field.towers])
    kinds = None if x.kinds is None else np.where(x.kinds, UNDEFINED, NUMBER)
    kinds = kinds if np.any(kinds) else None
    value = replace(value, kinds=kinds, nonnegative=False)
    return value, invert(field, value)


@rules.define("cos")
def _cos(field, x):
    return canonical(field, _halved(field, add(field, *_circle(field, x))))


@rules.define("sin")
def _sin(field, x):
    there, back = _circle(field, x)
    unit = imaginary_unit(field, x)
    return canonical(
        field, divide(field, _halved(field, subtract(field, there, back)), unit)
    )


@rules.define("tan")
def _tan(field, x):
    return divide(field, _sin(field, x), _cos(field, x))


def imaginary_unit(field, like):
    """i mod each p; there is none mod q."""
    residues = np.ones((4, *like.shape), np.uint64)
    for k, tower in enumerate(field.towers):
        residues[2 * k] = tower.imaginary
    return FieldArray(residues, like.dtype, levels=(True, False))


def canonical(field, x):
    """Residues mod q that depend on the value alone, where it is known mod p only."""
    residues = x.residues.copy()
    residues[1::2] = field.fresh("value", field.name(x), rows=Q_ROWS)
    small = (residues[::2] <= 1).all(0)
    residues[1::2] = np.where(small, residues[::2], residues[1::2])
    return replace(x, residues=residues, degree=x.degree)


@rules.define("call:softplus")
def _softplus(field, x):
    return _log1p(field, exp(field, x))


@rules.define("call:logaddexp")
def _logaddexp(field, x, y):
    return log(field, add(field, exp(field, x), exp(field, y)))
