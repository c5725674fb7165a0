"""Interval rules for powers: squares, whole exponents, and x**y.

Even powers are not monotone: on a box that straddles 0 the least is 0. So powers are
taken of |x|, where they are monotone, and signs are put back.
"""

from typing import Any

import jax.numpy as jnp

from torchlean_jax.domains.interval import _functions as f
from torchlean_jax.domains.interval._arithmetic import (
    absolute,
    add,
    holds_zero,
    known,
    mul,
    nan_if,
    negate,
)
from torchlean_jax.domains.interval._kinds import kind_of, rule_for
from torchlean_jax.domains.interval._layout import to_float
from torchlean_jax.domains.interval._value import Interval


@rule_for("float", "square", "same:mul")
def square(x, _=None):
    """x * x of one value: the walk asks for `same:mul` if both are one variable."""
    return _whole_power(absolute(x), 2)


@rule_for("float", "integer_pow")
def integer_pow(x, *, y):
    power = _odd_power(x, abs(y)) if y % 2 else _whole_power(absolute(x), abs(y))
    return _inverse(power) if y < 0 else power


def _inverse(x):
    """1 / x, tighter than a quotient: decreasing on either side of 0."""
    result = known(f.reciprocal_bounds(x.hi)[0], f.reciprocal_bounds(x.lo)[1])
    return nan_if(holds_zero(x), result)


def _odd_power(x, n):
    """Increasing: |a|**n with the sign of a, at both ends."""
    low, high = (
        _whole_power(Interval(a, a), n) for a in (jnp.abs(x.lo), jnp.abs(x.hi))
    )
    return Interval(
        jnp.where(x.lo < 0, -low.hi, low.lo), jnp.where(x.hi < 0, -high.lo, high.hi)
    )


def _whole_power(size, n) -> Any:
    """`size`**n for size >= 0: by repeated squaring if few products do, else as exp(n
    log).

    Each product costs an ulp or two, and they add up.
    """
    if n > 4:
        exponent = jnp.full_like(size.lo, n)
        return known(*f.pow_interval(size.lo, size.hi, exponent, exponent))
    if n == 0:
        return Interval(jnp.ones_like(size.lo), jnp.ones_like(size.lo))
    result = None
    while n:
        if n % 2:
            result = size if result is None else _times(result, size)
        n //= 2
        size = _times(size, size) if n else size
    return result


def _times(x, y):
    product = mul(x, y)
    return Interval(jnp.maximum(product.lo, 0), product.hi)


@rule_for("float", "one_minus_square")
def _one_minus_square(x):
    """(1 - m)(1 + m) at m = |x|: decreasing, and without cancellation near m = 1."""
    size = absolute(x)
    return known(_at(size.hi).lo, _at(size.lo).hi)


def _at(m):
    one = Interval(jnp.ones_like(m), jnp.ones_like(m))
    m = Interval(m, m)
    return mul(add(one, negate(m)), add(one, m))


@rule_for("float", "polynomial")
def _polynomial(x, *coefficients, unroll=None):
    """Horner's rule (`unroll` is only about how it is compiled); tight at points."""
    *rest, result = coefficients
    for coefficient in reversed(rest):
        result = add(mul(result, x), coefficient)
    return result


@rule_for("float", "pow")
def _pow(x, y):
    """Of a negative number only a power whose exponent is certainly a whole number.

    A power that straddles a pole (an odd negative one) is nothing known, like 1/[-1,
    1].
    """
    y = to_float(y) if kind_of(y) == "integer" else y
    whole = (y.lo == y.hi) & (jnp.floor(y.lo) == y.lo) & jnp.isfinite(y.lo)
    odd = whole & (jnp.floor(y.lo / 2) != y.lo / 2)
    size = absolute(x)
    power = Interval(*f.pow_interval(size.lo, size.hi, y.lo, y.hi))
    negative, straddles = odd & (x.hi <= 0), odd & (x.lo < 0) & (x.hi > 0)
    at_lo, at_hi = (f.pow_bounds(jnp.abs(e), y.lo)[1] for e in (x.lo, x.hi))
    lo = jnp.where(negative, -power.hi, jnp.where(straddles, -at_lo, power.lo))
    hi = jnp.where(negative, -power.lo, jnp.where(straddles, at_hi, power.hi))
    invalid = ((x.lo < 0) & ~whole) | (holds_zero(x) & (y.lo < 0))
    return nan_if(invalid, known(lo, hi))
