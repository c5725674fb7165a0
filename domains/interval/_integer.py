"""Intervals of integers: index arithmetic whose value is undecided.

Machine integers wrap. A result that may leave the range of its dtype is therefore the
whole range: [2**31 - 1, 2**31 - 1] + [0, 1] holds a negative number.
"""

import functools

import jax.numpy as jnp
from jax import lax

from torchlean_jax.domains.interval._kinds import operation_rule_for, rule_for
from torchlean_jax.domains.interval._value import Interval, range_of


def or_everything(wraps, lo, hi):
    """[lo, hi], or every value of the dtype where `wraps`."""
    lowest, highest = (jnp.asarray(v, lo.dtype) for v in range_of(jnp.dtype(lo.dtype)))
    return Interval(jnp.where(wraps, lowest, lo), jnp.where(wraps, highest, hi))


def _add_wraps(a, b, total):
    if jnp.issubdtype(a.dtype, jnp.unsignedinteger):
        return total < a
    return ((a >= 0) == (b >= 0)) & ((total >= 0) != (a >= 0))


@rule_for("integer", "add", "add_any")
def add(x, y):
    lo, hi = x.lo + y.lo, x.hi + y.hi
    wraps = _add_wraps(x.lo, y.lo, lo) | _add_wraps(x.hi, y.hi, hi)
    return or_everything(wraps, lo, hi)


def _sub_wraps(a, b, difference):
    if jnp.issubdtype(a.dtype, jnp.unsignedinteger):
        return a < b
    return ((a >= 0) != (b >= 0)) & ((difference >= 0) != (a >= 0))


@rule_for("integer", "sub")
def sub(x, y):
    lo, hi = x.lo - y.hi, x.hi - y.lo
    wraps = _sub_wraps(x.lo, y.hi, lo) | _sub_wraps(x.hi, y.lo, hi)
    return or_everything(wraps, lo, hi)


@rule_for("integer", "neg")
def neg(x):
    zero = jnp.zeros_like(x.lo)
    return sub(Interval(zero, zero), x)


@rule_for("integer", "mul")
def mul(x, y):
    corners = x.lo * y.lo, x.lo * y.hi, x.hi * y.lo, x.hi * y.hi
    # in float64 or float32 the product of magnitudes is off by less than a factor 2
    wide = jnp.float32
    magnitudes = [
        jnp.maximum(jnp.abs(z.lo.astype(wide)), jnp.abs(z.hi.astype(wide)))
        for z in (x, y)
    ]
    highest = range_of(jnp.dtype(x.dtype))[1]
    wraps = 2 * magnitudes[0] * magnitudes[1] >= highest
    return or_everything(
        wraps,
        functools.reduce(jnp.minimum, corners),
        functools.reduce(jnp.maximum, corners),
    )


@rule_for("integer", "div")
def div(x, y):
    """Division by what may be zero, or of the lowest by -1, may give anything."""
    lowest, _ = range_of(jnp.dtype(x.dtype))
    safe = [jnp.where(z == 0, 1, z) for z in (y.lo, y.hi)]
    corners = [_truncated(a, b) for a in (x.lo, x.hi) for b in safe]
    risky = ((y.lo <= 0) & (y.hi >= 0)) | (x.lo == lowest)
    return or_everything(
        risky,
        functools.reduce(jnp.minimum, corners),
        functools.reduce(jnp.maximum, corners),
    )


def _truncated(a, b):
    return lax.div(*jnp.broadcast_arrays(a, b))


@rule_for("integer", "same:sub")
def _minus_itself(x, y):
    """Exact even when machine integers wrap."""
    return Interval(jnp.zeros_like(x.lo), jnp.zeros_like(x.lo))


@rule_for("integer", "rem")
def rem(x, y):
    """The remainder has the sign of x and is smaller than |x| + 1 and |y|."""
    lowest, _ = range_of(jnp.dtype(x.dtype))
    most = jnp.maximum(jnp.maximum(y.hi, y.hi - 1), _negated(y.lo)) - 1  # max |y| - 1
    zero = jnp.zeros_like(x.lo)
    lo = jnp.where(x.lo < 0, jnp.maximum(x.lo, _negated(most)), zero)
    hi = jnp.where(x.hi > 0, jnp.minimum(x.hi, most), zero)
    smaller = (x.lo >= 0) & (x.hi < y.lo)  # then nothing is taken away
    risky = ((y.lo <= 0) & (y.hi >= 0)) | ((lowest < 0) & (y.lo == lowest))
    lo, hi = jnp.where(smaller, x.lo, lo), jnp.where(smaller, x.hi, hi)
    return or_everything(risky, lo, hi)


def _negated(x):
    return (
        jnp.zeros_like(x) - x if jnp.issubdtype(x.dtype, jnp.signedinteger) else x * 0
    )


@rule_for("integer", "abs")
def absolute(x):
    """|lowest| wraps to itself."""
    lowest, _ = range_of(jnp.dtype(x.dtype))
    if lowest >= 0:
        return x
    a, b = jnp.abs(x.lo), jnp.abs(x.hi)
    straddles = (x.lo < 0) & (x.hi > 0)
    lo = jnp.where(straddles, 0, jnp.minimum(a, b))
    return or_everything(x.lo == lowest, lo, jnp.maximum(a, b))


@rule_for("integer", "square", "same:mul")
def square(x, _=None):
    size = absolute(x)
    return mul(size, size)


@rule_for("integer", "integer_pow")
def integer_pow(x, *, y):
    base = absolute(x) if y % 2 == 0 else x
    power = Interval(jnp.ones_like(x.lo), jnp.ones_like(x.lo))
    for _ in range(y):
        power = mul(power, base)
    return power


def may_overflow(total, terms, dtype):
    """Whether a sum with `total` magnitude, added up in float32, may leave `dtype`.

    Up to 2**22 terms a float32 sum of magnitudes is right within a factor 2.
    """
    _, highest = range_of(jnp.dtype(dtype))
    return ~(4 * total < float(highest)) | (terms > 2**22)


def magnitude(x):
    """The largest absolute value, in float32, right within a factor 2."""
    lo, hi = x.lo.astype(jnp.float32), x.hi.astype(jnp.float32)
    return jnp.maximum(jnp.abs(lo), jnp.abs(hi))


@operation_rule_for("integer", "reduce_sum", "cumsum", "reduce_window_sum")
def _sum(operation, x):
    risky = may_overflow(operation(magnitude(x)), x.size, x.dtype)
    return or_everything(risky, operation(x.lo), operation(x.hi))


@operation_rule_for("integer", "dot_general")
def _dot_general(operation, x, y):
    """x = a + s, y = b + t with 0 <= s <= sm, 0 <= t <= tm.

    Then x y = a b + a t + s b + s t, and a t is between min(a, 0) tm and max(a, 0) tm.
    """
    x, y = Interval.lift(x), Interval.lift(y)
    dtype = operation.params.get("preferred_element_type") or jnp.result_type(
        x.lo, y.lo
    )

    run = operation.replace(preferred_element_type=jnp.dtype(jnp.float32))
    risky = may_overflow(run(magnitude(x), magnitude(y)), x.size, dtype)
    a, b = x.lo.astype(dtype), y.lo.astype(dtype)
    sm, tm = x.hi.astype(dtype) - a, y.hi.astype(dtype) - b
    base = operation(a, b)
    below = operation(jnp.minimum(a, 0), tm) + operation(sm, jnp.minimum(b, 0))
    above = operation(jnp.maximum(a, 0), tm) + operation(sm, jnp.maximum(b, 0))
    return or_everything(risky, base + below, base + above + operation(sm, tm))
