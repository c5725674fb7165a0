"""Interval rules for sums, products and quotients of two values, on floats.

Each result contains {op(a, b) : a in x, b in y} over the reals, infinities that a
program can hold included. Endpoints are computed in binary floating point and moved
outward; `_rounding.py` says why one ulp is not enough. Integers are in `_integer.py`,
complex numbers in `_complex.py`, powers in `_power.py`.
"""

import functools

import jax.numpy as jnp

from torchlean_jax.domains.interval._kinds import rule_for
from torchlean_jax.domains.interval._rounding import round_down, round_up
from torchlean_jax.domains.interval._value import Interval


def nan_if(flag, x: Interval) -> Interval:
    """`x`, or nothing known where `flag` says that the operation may be invalid."""
    return Interval(jnp.where(flag, jnp.nan, x.lo), jnp.where(flag, jnp.nan, x.hi))


def known(lo, hi) -> Interval:
    """The interval [lo, hi], or nothing known where either endpoint is NaN.

    An operation that is invalid at one endpoint (the root of [-1, 4]) may give no
    number at all; a NaN on one side only would let a comparison with the other side be
    decided.
    """
    return nan_if(jnp.isnan(lo) | jnp.isnan(hi), Interval(lo, hi))


@rule_for("float", "add", "add_any")
def add(x, y):
    """An infinity of each sign among the operands makes inf - inf possible: NaN."""
    invalid = jnp.isnan(x.lo + y.hi) | jnp.isnan(x.hi + y.lo)
    return nan_if(invalid, Interval(round_down(x.lo + y.lo), round_up(x.hi + y.hi)))


@rule_for("float", "sub")
def sub(x, y):
    return add(x, negate(y))


@rule_for("float", "same:sub")
def _minus_itself(x, y):
    """x - x is 0, unless x may be an infinity or no number."""
    finite = jnp.isfinite(x.lo) & jnp.isfinite(x.hi)
    nothing = jnp.where(finite, 0, jnp.nan).astype(x.dtype)
    return Interval(nothing, nothing)


@rule_for("float", "neg")
def negate(x):
    return Interval(-x.hi, -x.lo)


@rule_for("float", "mul")
def mul(x, y):
    """The extremes are among the products of endpoints; 0 * inf among them is NaN."""
    corners = x.lo * y.lo, x.lo * y.hi, x.hi * y.lo, x.hi * y.hi
    lo = functools.reduce(jnp.minimum, corners)
    hi = functools.reduce(jnp.maximum, corners)
    # 0 in one and inf in the other, without either being an endpoint
    invalid = (holds_zero(x) & holds_inf(y)) | (holds_zero(y) & holds_inf(x))
    return nan_if(invalid, Interval(round_down(lo), round_up(hi)))


@rule_for("float", "div")
def div(x, y):
    """A divisor that may be 0 gives nothing: x/0 is an infinity or no number at all.

    A quotient may be computed as x * (1/y), which is off by 1.5 ulp rather than 0.5.
    """
    corners = x.lo / y.lo, x.lo / y.hi, x.hi / y.lo, x.hi / y.hi
    lo = functools.reduce(jnp.minimum, corners)
    hi = functools.reduce(jnp.maximum, corners)
    invalid = holds_zero(y) | (holds_inf(x) & holds_inf(y))
    # 1/y is flushed to 0 for a huge y, and x * 0 is then off by |x| / |y|
    kind = jnp.finfo(x.dtype)
    huge = magnitude(y) > 0.25 / kind.smallest_normal
    flushed = jnp.where(huge, 4 * kind.smallest_normal * magnitude(x), 0)
    lo, hi = lo - flushed, hi + flushed
    return nan_if(
        invalid | jnp.isnan(lo) | jnp.isnan(hi),
        Interval(round_down(lo, ulps=3), round_up(hi, ulps=3)),
    )


def magnitude(x: Interval):
    """The largest absolute value in `x`."""
    return jnp.maximum(jnp.abs(x.lo), jnp.abs(x.hi))


def absolute(x: Interval) -> Interval:
    """{|a| : a in x}."""
    a, b = jnp.abs(x.lo), jnp.abs(x.hi)
    straddles = (x.lo < 0) & (x.hi > 0)
    return Interval(jnp.where(straddles, 0, jnp.minimum(a, b)), jnp.maximum(a, b))


def holds_zero(x):
    return (x.lo <= 0) & (x.hi >= 0)


def holds_inf(x):
    return jnp.isinf(x.lo) | jnp.isinf(x.hi)
