"""Arithmetic on narrow enclosures: what curves and their derivatives are written in.

The interval rules would do as well; these are the same operations for operands that are
points or nearly so, in fewer steps, since every relaxation is compiled anew for every
shape.
"""

import jax.numpy as jnp
import numpy as np

from torchlean_jax.domains.interval import Interval
from torchlean_jax.domains.interval import _functions as f
from torchlean_jax.domains.interval._arithmetic import add, div, mul, negate
from torchlean_jax.domains.interval._rounding import round_down, round_up

__all__ = ["add", "div", "mul", "negate"]


def at(x) -> Interval:
    """The numbers `x` as intervals that hold just them."""
    return Interval(x, x)


def constant(number: float, like) -> Interval:
    """The number as an interval: itself if binary32 holds it, else one ulp on either
    side."""
    value = jnp.full_like(like, number)
    if float(np.float32(number)) == number:
        return at(value)
    spread = jnp.abs(value) * jnp.finfo(like.dtype).eps
    return Interval(value - spread, value + spread)


def scaled(x: Interval, number: float) -> Interval:
    """x times a constant, which is rounded to the dtype of `x` first."""
    x = x if number > 0 else negate(x)
    size = jnp.asarray(abs(number), x.dtype)
    return Interval(round_down(x.lo * size, ulps=2), round_up(x.hi * size, ulps=2))


def plus(x: Interval, y: Interval) -> Interval:
    """x + y of finite numbers; what overflows is no number or infinite, and says so."""
    return Interval(round_down(x.lo + y.lo), round_up(x.hi + y.hi))


def minus(x: Interval, y: Interval) -> Interval:
    return Interval(round_down(x.lo - y.hi), round_up(x.hi - y.lo))


def times(a, x: Interval) -> Interval:
    """The points `a` times an interval, for finite numbers."""
    if x.lo is x.hi:
        return Interval(round_down(a * x.lo), round_up(a * x.lo))
    low, high = a * x.lo, a * x.hi
    return Interval(
        round_down(jnp.minimum(low, high)), round_up(jnp.maximum(low, high))
    )


def times_positive(x: Interval, y: Interval) -> Interval:
    """x * y where neither has a negative number."""
    low = jnp.maximum(round_down(x.lo * y.lo), 0)
    return Interval(low, round_up(x.hi * y.hi))


def one_minus(x: Interval) -> Interval:
    return Interval(round_down(1 - x.hi), round_up(1 - x.lo))


def one_plus(x: Interval) -> Interval:
    return Interval(round_down(1 + x.lo), round_up(1 + x.hi))


def square(x: Interval) -> Interval:
    if x.lo is x.hi:
        product = x.lo * x.lo
        return Interval(jnp.maximum(round_down(product), 0), round_up(product))
    low, high = jnp.abs(x.lo), jnp.abs(x.hi)
    near = jnp.where((x.lo < 0) & (x.hi > 0), 0, jnp.minimum(low, high))
    far = jnp.maximum(low, high)
    return Interval(jnp.maximum(round_down(near * near), 0), round_up(far * far))


def inverse(x: Interval) -> Interval:
    """1 / x, or NaN where x may be 0. A quotient may be off by more than half an
    ulp."""
    crosses = (x.lo <= 0) & (x.hi >= 0)
    low = jnp.where(crosses, jnp.nan, 1 / x.hi)
    high = jnp.where(crosses, jnp.nan, 1 / x.lo)
    return Interval(round_down(low, ulps=3), round_up(high, ulps=3))


def _increasing(bounds):
    """An increasing function of an enclosure, with one evaluation for both ends."""

    def apply(x: Interval) -> Interval:
        if x.lo is x.hi:
            return Interval(*bounds(x.lo))
        low, high = bounds(jnp.stack([x.lo, x.hi]))
        return Interval(low[0], high[1])

    return apply


exp = _increasing(f.exp_bounds)
expm1 = _increasing(f.expm1_bounds)
log = _increasing(f.log_bounds)
root = _increasing(f.sqrt_bounds)
logistic = _increasing(f.logistic_bounds)
erfc_of_negative = _increasing(lambda x: f.erfc_bounds(-x))
