"""Tangents of functions of one number, and of decisions.

Each slope follows from the law that the field knows the function by: powers from
products; exp from exp(a + b eps) = exp(a) exp(b eps) and exp(b eps) = 1 + b eps, and
what is made of it likewise; log and roots are what undoes exp and powers. Other
functions (erf, atan, the maximum over an axis) are not here: nothing ties their
tangents to values of the program, and each is a variable.
"""

from dataclasses import replace

import numpy as np

from torchlean_jax.domains.finite_field._arithmetic import (
    add,
    alike,
    constant,
    divide,
    invert,
    multiply,
    negate,
    square,
    subtract,
    whole_power,
)
from torchlean_jax.domains.finite_field._dual import Step, tangents, zeros
from torchlean_jax.domains.finite_field._exponential import exp, log
from torchlean_jax.domains.finite_field._order import finite, sign
from torchlean_jax.domains.finite_field._value import (
    MINUS_INFINITY,
    NUMBER,
    UNDEFINED,
    FieldArray,
    kinds_of,
)


def _define_slope(name):
    """For functions of one number: b' = slope(field, a, f(a)) b."""

    def define(slope):
        @tangents.define(name)
        def rule(step):
            (x,), (tangent,), (y,) = step.values, step.tangents, step.results
            return multiply(step.field, slope(step.field, x, y), tangent)

        return slope

    return define


def _one(field, like):
    return constant(field, 1.0, like)


def _half(field, x):
    return multiply(field, constant(field, 0.5, x), x)


@tangents.define("integer_pow")
def _power(step):
    """(a + b eps)**n = a**n + n a**(n-1) b eps; for n < 0 as of an inverse."""
    field, n, (x,) = step.field, step.operation.params["y"], step.values
    slope = multiply(field, constant(field, n, x), whole_power(field, x, y=n - 1))
    return multiply(field, slope, step.tangents[0])


_define_slope("square")(lambda field, x, y: add(field, x, x))
_define_slope("one_minus_square")(lambda field, x, y: negate(field, add(field, x, x)))

_define_slope("exp")(lambda field, x, y: y)
_define_slope("expm1")(lambda field, x, y: add(field, y, _one(field, y)))
_define_slope("sinh")(
    lambda field, x, y: subtract(field, exp(field, x), y)  # cosh = exp - sinh
)
_define_slope("cosh")(lambda field, x, y: subtract(field, exp(field, x), y))


@_define_slope("tanh")
def _tanh(field, x, y):
    return subtract(field, _one(field, y), square(field, y))


@_define_slope("logistic")
def _logistic(field, x, y):
    return multiply(field, y, subtract(field, _one(field, y), y))


_define_slope("sin")(lambda field, x, y: field.rules.find("cos").function(x))


@_define_slope("cos")
def _cos(field, x, y):
    return negate(field, field.rules.find("sin").function(x))


_define_slope("tan")(lambda field, x, y: add(field, _one(field, y), square(field, y)))

_define_slope("log")(lambda field, x, y: invert(field, x))
_define_slope("log1p")(lambda field, x, y: invert(field, add(field, x, _one(field, x))))


@_define_slope("sqrt")
def _sqrt(field, x, y):
    return _half(field, invert(field, y))


@_define_slope("rsqrt")
def _rsqrt(field, x, y):
    """Of y = y**3 x: the field does not know y**2 = 1/x, so it is said once here."""
    return negate(field, _half(field, divide(field, y, x)))


@tangents.define("pow")
def _general_power(step: Step):
    """x**y = exp(y log x)."""
    field, (x, y), (result,) = step.field, alike(step.field, *step.values), step.results
    dx, dy = step.tangents
    terms = []
    if dx is not None:
        # y's own constants, which decide what the rule of the field makes of a power
        less = subtract(field, y, _one(field, y))
        slope = multiply(field, y, step.run(x, less))
        terms.append(multiply(field, slope, dx))
    if dy is not None:
        terms.append(multiply(field, multiply(field, log(field, x), result), dy))
    return terms[0] if len(terms) == 1 else add(field, *terms)


@tangents.define("call:softplus")
def _softplus(step):
    field, (x,) = step.field, step.values
    grown = exp(field, x)
    share = divide(field, grown, add(field, grown, _one(field, x)))
    return multiply(field, share, step.tangents[0])


@tangents.define("sign", "floor", "ceil", "round")
def _flat(step):
    """Constant between its jumps."""
    return None


@tangents.define("abs")
def _magnitude(step):
    if step.values[0].is_complex:
        return step.dual.variable(step.results[0])
    direction = sign(step.field, finite(step.values[0]))
    return multiply(step.field, direction, step.tangents[0])


@tangents.define("max")
def _max(step):
    return _of_larger(step, *step.values, *_filled(step))


@tangents.define("min")
def _min(step):
    field = step.field
    x, y = (negate(field, v) for v in step.values)
    return _of_larger(step, x, y, *_filled(step))


def _filled(step):
    return [
        zeros(step.field, x) if t is None else t
        for x, t in zip(step.values, step.tangents, strict=True)
    ]


def _of_larger(step, x, y, dx, dy) -> FieldArray:
    """max(x, y) = (x + y + |x - y|) / 2; beside -inf, of the other."""
    if x.is_extreme and y.is_extreme:  # whose maximum is no such expression
        return step.dual.variable(step.results[0])
    field = step.field
    (x, y), (dx, dy) = alike(field, x, y), alike(field, dx, dy)
    direction = sign(field, subtract(field, finite(x), finite(y)))
    spread = multiply(field, direction, subtract(field, dx, dy))
    value = _half(field, add(field, add(field, dx, dy), spread))
    a, b = kinds_of(x), kinds_of(y)
    residues = np.where(a == MINUS_INFINITY, dy.residues, value.residues)
    residues = np.where(b == MINUS_INFINITY, dx.residues, residues)
    wild = (a > MINUS_INFINITY) | (b > MINUS_INFINITY)
    kinds = np.where(wild, UNDEFINED, NUMBER).astype(np.uint8)
    return replace(value, residues=residues, kinds=kinds if wild.any() else None)


@tangents.define("clamp")
def _clamp(step):
    """That of the middle operand between two constants, 0 beyond them."""
    field, (least, x, most), (a, dx, b) = step.field, step.values, step.tangents
    if dx is None or a is not None or b is not None:
        return step.dual.variable(step.results[0])
    for above, below in ((x, least), (most, x)):
        above, below = alike(field, above, below)
        direction = sign(field, subtract(field, finite(above), finite(below)))
        inside = _half(field, add(field, _one(field, direction), direction))
        dx = multiply(field, dx, inside)
    return dx
