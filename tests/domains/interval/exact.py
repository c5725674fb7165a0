"""Exact values and how an interval must relate to them. No code of ours is used here.

A value is a Fraction, an Arb ball (python-flint), a bool or an int, +-inf, or None
where the function gives no number.
"""

import math
from fractions import Fraction

import flint
import numpy as np

flint.ctx.prec = 256


def ball(x):
    """A Fraction or float as an Arb ball."""
    if isinstance(x, flint.arb):
        return x
    if isinstance(x, float) and math.isinf(x):
        return flint.arb("inf") if x > 0 else -flint.arb("inf")
    x = Fraction(x)
    return flint.arb(flint.fmpq(x.numerator, x.denominator))


def fractions(array):
    """An object array of Fractions (or bools, ints) equal to the elements."""
    array = np.asarray(array)
    if array.dtype == bool:
        convert = bool
    elif np.issubdtype(array.dtype, np.integer):
        convert = int
    else:
        convert = lambda x: Fraction(float(x))
    return elementwise(convert)(array)


def elementwise(function):
    """`function` of scalars on object arrays of one shape (or scalars)."""

    def apply(*arrays):
        arrays = np.broadcast_arrays(*[np.asarray(a, object) for a in arrays])
        out = np.empty(arrays[0].shape, object)
        for index in np.ndindex(out.shape):
            out[index] = function(*[a[index] for a in arrays])
        return out

    return apply


def outside(lo, hi, value) -> str | None:
    """Why `value` is not in [lo, hi], or None. NaN endpoints hold everything."""
    if isinstance(lo, bool | np.bool_ | int | np.integer):
        return None if lo <= value <= hi else f"{value} not in [{lo}, {hi}]"
    lo, hi = float(lo), float(hi)
    if math.isnan(lo) or math.isnan(hi):
        return (
            None if math.isnan(lo) and math.isnan(hi) else f"half known: [{lo}, {hi}]"
        )
    if value is None:
        return f"no number expected, got [{lo!r}, {hi!r}]"
    if _certainly_less(value, lo) or _certainly_less(hi, value):
        return f"{describe(value)} not in [{lo!r}, {hi!r}] = [{lo.hex()}, {hi.hex()}]"
    return None


def _certainly_less(a, b):
    if isinstance(a, float) and math.isinf(a):
        return a < 0 and b != -math.inf
    if isinstance(b, float) and math.isinf(b):
        return b > 0 and not (isinstance(a, float) and a == math.inf)
    if isinstance(a, flint.arb) or isinstance(b, flint.arb):
        return bool(ball(a) < ball(b))
    return Fraction(a) < Fraction(b)


def describe(value):
    return (
        value.str(20) if isinstance(value, flint.arb) else f"{value} ~ {float(value)!r}"
    )


def ulps_off(endpoint, value, allowance=0.0) -> float:
    """|endpoint - value| - allowance, in binary32 ulps of `value`."""
    size = (
        abs(float(value.mid())) if isinstance(value, flint.arb) else abs(float(value))
    )
    exponent = math.frexp(max(size, 2.0**-126))[1]
    gap = abs(ball(float(endpoint)) - ball(value)) - ball(float(allowance))
    return max(0.0, float((gap / ball(Fraction(2) ** (exponent - 24))).upper()))
