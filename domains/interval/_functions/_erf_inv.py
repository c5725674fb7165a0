"""Enclosure of the inverse error function.

|x| < 3/4: erf_inv(x) = x (sqrt(pi)/2 + x**2 p(x**2)). Beyond, with s = sqrt(-log(1 -
|x|)), the quotient erf_inv(x) / s is slowly varying, and a polynomial in s - centre. 1
- |x| is exact there.
"""

import jax
import jax.numpy as jnp

from torchlean_jax.domains.interval._functions._log import log_array
from torchlean_jax.domains.interval._functions._pair import Pair
from torchlean_jax.domains.interval._functions._sigmoid import reflect
from torchlean_jax.domains.interval._functions._table import (
    Bounds,
    Points,
    differentiable,
    table,
    widen,
)


def middle_kernel(x, z, t):
    """erf_inv(x) for a pair |x| < 3/4 and z = x**2."""
    return x.times(t.half_sqrt_pi.plus(z * t.erf_inv(z))).value()


def slow_factor(s, t):
    """erf_inv(x) / s as a pair, from the float s = sqrt(-log(1 - |x|))."""
    offset = s - t.erf_inv_centre
    return t.erf_inv_at_centre.plus(offset * t.erf_inv_tail(offset))


def tail_kernel(s, slow):
    """s times the slow factor."""
    return s.times(slow).value()


@differentiable(jax.lax.erf_inv)
def erf_inv_bounds(x: Points) -> Bounds:
    """`(lo, hi)` with erf(lo) <= x <= erf(hi); infinite at -1 and 1, NaN beyond."""
    t = table(x.dtype)
    size = jnp.abs(x)
    near = jnp.minimum(size, 0.75)
    middle = middle_kernel(Pair.of(near), near * near, t)
    rest = 1.0 - jnp.maximum(size, 0.75)
    s = (-log_array(rest)).sqrt()
    y = jnp.where(size < 0.75, middle, tail_kernel(s, slow_factor(s.value(), t)))
    y = jnp.where(size == 1, jnp.inf, y)
    y = jnp.where((size > 1) | jnp.isnan(x), jnp.nan, y)
    lo, hi = widen(y, t.error["erf_inv"], floor=0.0)
    return reflect(x, lo, hi)
