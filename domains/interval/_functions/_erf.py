"""Enclosures of erf and erfc.

Near 0, erf(x) = x (2/sqrt(pi) + x**2 p(x**2)). Elsewhere erfc(x) = exp(-x**2) g(x) / (1
+ 2 x) for x > 0, where g stays between 1.07 and 1.29 and is a polynomial in (x - 4) /
(x + 4). x**2 is kept as a pair, since its rounding error would be magnified x**2 times.
"""

import jax
import jax.numpy as jnp

from torchlean_jax.domains.interval._functions._exp import exp_pair, scale_pair
from torchlean_jax.domains.interval._functions._pair import Pair, total
from torchlean_jax.domains.interval._functions._sigmoid import one, reflect
from torchlean_jax.domains.interval._functions._table import (
    Bounds,
    Points,
    differentiable,
    table,
    widen,
)


def erf_small(x, z, t):
    """erf(x) as a pair, for z = x**2 and |x| < 1."""
    return x.times(t.two_over_sqrt_pi.plus(z * t.erf(z)))


def tail_kernel(e, x, t):
    """erfc(x) as a pair, from e = exp(-x**2), for 1/2 <= x <= erf_range."""
    unit, x = one(x), Pair.of(x)
    four = unit.scaled(4.0)
    ratio = total(x, -four).over(total(x, four)).value()
    slow = t.erfcx_at_4.plus(ratio * t.erfcx(ratio))
    return e.times(slow).over(x.scaled(2.0).plus(unit))


def square_of(x):
    """x**2 as a pair with a small low part."""
    return x.times(x).tidy()


def tail(size, t):
    """erfc(size) as a pair, size >= 1/2 (garbage for smaller ones)."""
    x = jnp.clip(size, 0.5, t.erf_range)
    square = square_of(Pair.of(x))
    e, k = exp_pair(-square.h, -square.l)
    return scale_pair(tail_kernel(e, x, t), k)


def complement(a, b):
    """a - b for pairs a in {1, 2}, b < 1/2."""
    return a.minus(b).value()


@differentiable(jax.lax.erf)
def erf_bounds(x: Points) -> Bounds:
    """`(lo, hi)` with lo <= erf(x) <= hi, on the right side of 0 and within [-1, 1]."""
    t = table(x.dtype)
    size = jnp.abs(x)
    near = jnp.minimum(size, 1.0)
    small = erf_small(Pair.of(near), near * near, t).value()
    y = jnp.where(size < 1.0, small, complement(Pair(1.0, 0.0), tail(size, t)))
    y = jnp.where(jnp.isnan(x), x, y)
    lo, hi = widen(y, t.error["erf"], floor=0.0, ceiling=1.0)
    return reflect(x, lo, hi)


@differentiable(jax.lax.erfc)
def erfc_bounds(x: Points) -> Bounds:
    """`(lo, hi)` with lo <= 1 - erf(x) <= hi."""
    t = table(x.dtype)
    size = jnp.abs(x)
    middle = complement(Pair(1.0, 0.0), erf_small(Pair.of(x), x * x, t))
    far = tail(size, t)
    y = jnp.where(x < 0, complement(Pair(2.0, 0.0), far), far.value())
    y = jnp.where(size < 0.5, middle, y)
    y = jnp.where(jnp.isnan(x), x, y)
    return widen(y, t.error["erfc"], floor=0.0, ceiling=2.0)
