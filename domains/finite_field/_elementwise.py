"""Rules for functions of one number: exp and its family, and the uninterpreted ones.

exp and log change levels: exp(x) mod p comes of x mod q, log(x) mod q of x mod p. The
residue that a function cannot give is a fresh one that depends on the value alone, so
that equal values keep equal residues at both levels.
"""

from dataclasses import replace

import numpy as np
from jax import lax

from torchlean_jax.domains.finite_field._arithmetic import (
    add,
    constant,
    divide,
    invert,
    is_short,
    multiply,
    negate,
    subtract,
    whole_power,
)
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


def uninterpreted(field, tag, *xs: FieldArray, dtype=None) -> FieldArray:
    """A function of which nothing is used but that it is one."""
    field.note_arguments(*xs)
    names = np.broadcast_arrays(*[field.name(x) for x in xs])
    undefined = np.zeros(names[0].shape, bool)
    for x in xs:
        undefined = undefined | (kinds_of(x) == UNDEFINED)
    kinds = np.where(undefined, UNDEFINED, NUMBER).astype(np.uint8)
    return FieldArray(
        field.fresh(tag, *names),
        xs[0].dtype if dtype is None else dtype,
        kinds if undefined.any() else None,
        degree=VARIABLE,
    )


def uninterpreted_odd(field, tag, x: FieldArray) -> FieldArray:
    """A function with f(-x) = -f(x): that of the two whose name is smaller decides."""
    names, opposite = field.name(x), field.name(negate(field, x))
    field.note_arguments(x)
    value = field.fresh(tag, np.minimum(names, opposite))
    turned = np.stack(
        [
            (np.uint64(m) - v) % np.uint64(m)
            for v, m in zip(value, field.moduli, strict=True)
        ]
    )
    residues = np.where(names <= opposite, value, turned)
    residues = np.where(names == opposite, np.uint64(0), residues)  # x is 0
    kinds = None if x.kinds is None else np.where(x.kinds, UNDEFINED, NUMBER)
    return FieldArray(residues, x.dtype, kinds, degree=VARIABLE)


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


@rules.define("erfc")
def _erfc(field, x):
    one = constant(field, 1.0, x)
    return subtract(field, one, uninterpreted_odd(field, "erf", x))


def _define_odd(name):
    @rules.define(name)
    def rule(field, x, **params):
        return uninterpreted_odd(field, name, x)


for _name in ("erf", "erf_inv", "asin", "atan", "asinh", "atanh"):
    _define_odd(_name)


def _define_uninterpreted(name):
    @rules.define(name)
    def rule(field, *xs, **params):
        return uninterpreted(field, f"{name} {sorted(params.items())}", *xs)


for _name in (
    *("acos", "acosh", "atan2", "lgamma", "digamma", "polygamma", "zeta", "igamma"),
    *("igammac", "regularized_incomplete_beta", "bessel_i0e", "bessel_i1e", "rem"),
):
    _define_uninterpreted(_name)


def _define_step(name, function):
    """Constants have a whole part; of anything else nothing is known about it."""

    @rules.define(name)
    def rule(field, x):
        if x.held is None:
            return uninterpreted(field, name, x)
        return field.lift(function(x.held)).named(x.dtype)


for _name, _step in {"floor": np.floor, "ceil": np.ceil}.items():
    _define_step(_name, _step)


@rules.define("round")
def _round(field, x, *, rounding_method):
    if x.held is not None and rounding_method == lax.RoundingMethod.TO_NEAREST_EVEN:
        return field.lift(np.round(x.held)).named(x.dtype)  # to even
    if x.held is not None:
        away = np.copysign(np.floor(np.abs(x.held) + 0.5), x.held)
        return field.lift(away).named(x.dtype)
    return uninterpreted(field, f"round {int(rounding_method)}", x)


@rules.define("call:softplus")
def _softplus(field, x):
    return _log1p(field, exp(field, x))


@rules.define("call:logaddexp")
def _logaddexp(field, x, y):
    return log(field, add(field, exp(field, x), exp(field, y)))
