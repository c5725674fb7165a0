"""Enclosures of sinh and cosh, and of the inverses asinh, acosh, atanh."""

import jax.numpy as jnp

from torchlean_jax.domains.interval._functions._exp import exp_pair, scale_pair
from torchlean_jax.domains.interval._functions._log import (
    log1p_pair,
    log_array,
    log_pair,
)
from torchlean_jax.domains.interval._functions._pair import Pair, select, total
from torchlean_jax.domains.interval._functions._sigmoid import one, reflect
from torchlean_jax.domains.interval._functions._table import (
    Bounds,
    Points,
    differentiable,
    table,
    widen,
)


def sinh_small(x, z, t):
    """x + x z p(z); with z = x**2 this is sinh(x) for |x| < 1."""
    return x + x * (z * t.sinh(z))


def sinh_large(e, inverse):
    """e - 1/e in units of 2, for the pairs e = exp(|x|) and inverse = 1/e, |x| >= 1."""
    return e.minus(inverse).value()


def cosh_kernel(e, inverse):
    """e + 1/e in units of 2, for the pairs e = exp(|x|) and inverse = 1/e."""
    return e.plus(inverse).value()


# exp of these is in the range of `exp_pair`, and cosh of them beyond the largest finite
# number.
_LARGEST = {"float32": 89.9, "float64": 710.9}


def _eighths(x):
    """exp(|x|) / 8 and exp(-|x|) / 8 as pairs.

    Not halves: the head of exp(|x|) / 2 may overflow where the sum, a little smaller,
    does not.
    """
    size = jnp.minimum(jnp.abs(x), jnp.asarray(_LARGEST[x.dtype.name], x.dtype))
    pair, k = exp_pair(size)
    inverse, n = exp_pair(-size)
    return scale_pair(pair, k - 3), scale_pair(inverse, n - 3)


@differentiable(jnp.sinh)
def sinh_bounds(x: Points) -> Bounds:
    """`(lo, hi)` with lo <= sinh(x) <= hi, on the right side of 0."""
    t = table(x.dtype)
    size = jnp.abs(x)
    small = sinh_small(size, size * size, t)
    y = jnp.where(size < 1.0, small, 4 * sinh_large(*_eighths(x)))
    lo, hi = widen(y, t.error["sinh"], floor=0.0)
    return reflect(x, lo, hi)


@differentiable(jnp.cosh)
def cosh_bounds(x: Points) -> Bounds:
    """`(lo, hi)` with lo <= cosh(x) <= hi."""
    y = 4 * cosh_kernel(*_eighths(x))
    return widen(y, table(x.dtype).error["cosh"], floor=1.0)


def cosh_interval(lo: Points, hi: Points) -> Bounds:
    """`(low, high)` that contain cosh(x) for every x in [lo, hi]."""
    lo, hi = jnp.asarray(lo), jnp.asarray(hi)
    (a, b), (c, d) = cosh_bounds(lo), cosh_bounds(hi)
    straddles = ~(lo > 0) & ~(hi < 0)
    low = jnp.where(straddles & ~jnp.isnan(a + c), 1.0, jnp.minimum(a, c))
    return low, jnp.maximum(b, d)


def asinh_small(x, z, t):
    """x + x z p(z); with z = x**2 this is asinh(x) for |x| < 1/2."""
    return x + x * (z * t.asinh(z))


def asinh_argument(x):
    """x + sqrt(x**2 + 1) as a pair, for an array 1/2 <= x < 2**31."""
    unit, x = one(x), Pair.of(x)
    return total(x.times(x), unit).sqrt().plus(x)


def acosh_argument(above, two):
    """x - 1 + sqrt(x**2 - 1) as a pair, for the pair above = x - 1 > 0 and two = 2."""
    square = above.times(total(above, two))
    return total(square.sqrt(), above)


def log_of_double(x, t):
    """log(2 x) for x > 2**30, where it is asinh(x) and acosh(x) up to 2**-62."""
    return log_array(x).plus(t.ln2).value()


@differentiable(jnp.arcsinh)
def asinh_bounds(x: Points) -> Bounds:
    """`(lo, hi)` with lo <= asinh(x) <= hi, on the right side of 0."""
    t = table(x.dtype)
    size = jnp.abs(x)
    middle = log_pair(asinh_argument(jnp.clip(size, 0.5, 2.0**30))).value()
    y = jnp.where(size < 0.5, asinh_small(size, size * size, t), middle)
    y = jnp.where(size > 2.0**30, log_of_double(size, t), y)
    y = jnp.where(jnp.isinf(x) | jnp.isnan(x), size, y)
    lo, hi = widen(y, t.error["asinh"], floor=0.0)
    return reflect(x, lo, hi)


@differentiable(jnp.arccosh)
def acosh_bounds(x: Points) -> Bounds:
    """`(lo, hi)` with lo <= acosh(x) <= hi; NaN for x < 1."""
    t = table(x.dtype)
    # x - 1 is exact for 1 <= x <= 2**(bits of the significand), and rounded harmlessly
    # above.
    above = Pair.of(jnp.clip(x, 1.0, 2.0**30) - 1.0)
    y = log1p_pair(acosh_argument(above, one(x).scaled(2.0))).value()
    y = jnp.where(x == 1, 0.0, jnp.where(x > 2.0**30, log_of_double(x, t), y))
    y = jnp.where(jnp.isinf(x), x, y)
    y = jnp.where((x < 1) | jnp.isnan(x), jnp.nan, y)
    return widen(y, t.error["acosh"], floor=0.0)


def atanh_argument(x, rest):
    """2 x / (1 - x) as a pair, for the pairs 0 <= x < 1 and rest = 1 - x."""
    return x.scaled(2.0).over(rest)


@differentiable(jnp.arctanh)
def atanh_bounds(x: Points) -> Bounds:
    """`(lo, hi)` with lo <= atanh(x) <= hi; infinite at -1 and 1, NaN beyond."""
    size = jnp.abs(x)
    inside = jnp.where(size < 1, size, 0.0)
    x_pair = Pair.of(inside)
    # 1 - x is exact as an array for x >= 1/2, and as a pair below.
    rest = select(inside < 0.5, one(x).minus(x_pair), Pair.of(1.0 - inside))
    y = log1p_pair(atanh_argument(x_pair, rest)).scaled(0.5).value()
    y = jnp.where(size == 1, jnp.inf, y)
    y = jnp.where((size > 1) | jnp.isnan(x), jnp.nan, y)
    lo, hi = widen(y, table(x.dtype).error["atanh"], floor=0.0)
    return reflect(x, lo, hi)
