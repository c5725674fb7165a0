"""Enclosures of erf and erfc.

Near 0, erf(x) = x (2/sqrt(pi) + x**2 p(x**2)). Elsewhere erfc(x) = exp(-x**2) g(x) / (1 + 2 x) for
x > 0, where g stays between 1.07 and 1.29 and is a polynomial in (x - 4) / (x + 4). x**2 is kept as a pair, since its rounding error would be magnified x**2 times.
"""

import jax
import jax.numpy as jnp

from torchlean_jax.domains.interval._functions._exp import exp_pair, scale
from torchlean_jax.domains.interval._functions._pair import Pair
from torchlean_jax.domains.interval._functions._sigmoid import reflect
from torchlean_jax.domains.interval._functions._table import differentiable, table, widen


def erf_small(x, z, t):
    """erf(x) as a pair, for z = x**2 and |x| < 1/2."""
    return x.times(t.two_over_sqrt_pi.plus(z * t.erf(z)))


def tail_kernel(e, x, t):
    """erfc(x) as a pair, from e = exp(-x**2), for 1/2 <= x <= erf_range."""
    ratio = Pair.of(x - 4.0).over(Pair.of(x + 4.0)).value()
    slow = t.erfcx_at_4.plus(ratio * t.erfcx(ratio))
    return e.times(slow).over(Pair(1.0, 0.0).plus(Pair.of(x).scaled(2.0)))


def tail(size, t):
    """erfc(size) as a pair, for size >= 1/2 (smaller ones give garbage, larger ones 0)."""
    x = jnp.clip(size, 0.5, t.erf_range)
    square = Pair.of(x)
    square = square.times(square)
    e, k = exp_pair(-square.h, -square.l)
    return scale(tail_kernel(e, x, t), k)


def complement(a, b):
    """a - b for pairs a in {1, 2}, b < 1/2."""
    return a.minus(b).value()


@differentiable(jax.lax.erf)
def erf_bounds(x):
    """`(lo, hi)` with lo <= erf(x) <= hi, on the right side of 0 and within [-1, 1]."""
    t = table(x.dtype)
    size = jnp.abs(x)
    small = erf_small(Pair.of(size), size * size, t).value()
    y = jnp.where(size < 0.5, small, complement(Pair(1.0, 0.0), tail(size, t)))
    y = jnp.where(jnp.isnan(x), x, y)
    lo, hi = widen(y, t.error["erf"], floor=0.0, ceiling=1.0)
    return reflect(x, lo, hi)


@differentiable(jax.lax.erfc)
def erfc_bounds(x):
    """`(lo, hi)` with lo <= 1 - erf(x) <= hi."""
    t = table(x.dtype)
    size = jnp.abs(x)
    middle = complement(Pair(1.0, 0.0), erf_small(Pair.of(x), x * x, t))
    far = tail(size, t)
    y = jnp.where(x < 0, complement(Pair(2.0, 0.0), far), far.value())
    y = jnp.where(size < 0.5, middle, y)
    y = jnp.where(jnp.isnan(x), x, y)
    return widen(y, t.error["erfc"], floor=0.0, ceiling=2.0)
