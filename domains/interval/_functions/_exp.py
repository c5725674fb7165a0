"""Enclosures of exp, exp2, expm1, and the exponential as a pair that others build on.

x = k ln 2 + r with |r| < 0.36, and exp(x) = 2**k (1 + r + r**2 p(r)). The product k *
ln2_high is exact (ln2_high has 15 bits for an 8-bit k, or 41 for an 11-bit k), and so
is its difference from x, whether or not the two are fused.
"""

from typing import Any

import jax.numpy as jnp

from torchlean_jax.domains.interval._functions._pair import Pair, two_to
from torchlean_jax.domains.interval._functions._table import (
    Bounds,
    Points,
    differentiable,
    table,
    widen,
)

# Beyond these, exp is below the smallest normal number or above the largest finite one.
# The clipped argument gives 0 or inf, and `widen` turns those into true bounds.
RANGE = {"float32": (-104.0, 90.0), "float64": (-746.0, 711.0)}


def exp_kernel(h, low, t):
    """exp(h + low) as a pair, for |h + low| < 0.36."""
    r = h + low
    return Pair(1.0, 0.0).plus(h, low + (r * r) * t.exp(r))


def exp_pair(x, low: Any = 0.0):
    """exp(x + low) as `(pair, k)`, standing for pair * 2**k; |low| < |x| / 1000."""
    t = table(x.dtype)
    x = jnp.clip(x, *RANGE[x.dtype.name])
    k = jnp.round((x + low) * t.log2_e)
    pair = exp_kernel(x - k * t.ln2_high, low - k * t.ln2_low, t)
    return pair, k.astype(jnp.int32)


def scale(y, k):
    """y * 2**k for |k| up to twice the exponent range."""
    half = k >> 1
    return (y * two_to(half, y.dtype)) * two_to(k - half, y.dtype)


def scale_pair(y, k):
    """The same for a pair."""
    return Pair(scale(y.h, k), scale(y.l, k))


@differentiable(jnp.exp)
def exp_bounds(x: Points) -> Bounds:
    """`(lo, hi)` with lo <= exp(x) <= hi."""
    pair, k = exp_pair(x)
    return widen(scale(pair.value(), k), table(x.dtype).error["exp"], floor=0.0)


def exp2_kernel(f, t):
    """2**f as a pair, |f| <= 1/2."""
    r = f.times(t.ln2)
    return exp_kernel(r.h, r.l, t)


@differentiable(jnp.exp2)
def exp2_bounds(x: Points) -> Bounds:
    """`(lo, hi)` with lo <= 2**x <= hi."""
    t = table(x.dtype)
    x = jnp.clip(x, *(1.5 * edge for edge in RANGE[x.dtype.name]))
    k = jnp.round(x)
    y = exp2_kernel(Pair.of(x - k), t).value()
    return widen(scale(y, k.astype(jnp.int32)), t.error["exp2"], floor=0.0)


def expm1_small(x, half, r, t):
    """x (1 + r/2 + r**2 p(r)) for half = r/2; with r = x this is expm1(x) for |x| <
    3/4.
    """
    return x.plus(x.times(half), x.value() * (r * (r * t.expm1(r)))).value()


def minus_one(e, unit):
    """e - 1 for a pair e >= 2; both in any unit."""
    return e.plus(Pair(-unit, 0.0)).value()


def from_minus_one(e, unit):
    """-1 + e for a pair e <= 1/2; both in any unit."""
    return Pair(-unit, 0.0).plus(e).value()


@differentiable(jnp.expm1)
def expm1_bounds(x: Points) -> Bounds:
    """`(lo, hi)` with lo <= exp(x) - 1 <= hi."""
    t = table(x.dtype)
    pair, k = exp_pair(x)
    # A quarter of everything: where exp(x) is just finite, the head of its pair may not
    # be, and the overflow would be reported for a result that is up to a tenth below
    # the threshold.
    e = scale_pair(pair, k - 2)
    large = 4 * jnp.where(k > 0, minus_one(e, 0.25), from_minus_one(e, 0.25))
    near = jnp.clip(x, -1.0, 1.0)
    argument = Pair.of(near)
    small = expm1_small(argument, argument.scaled(0.5), near, t)
    y = jnp.where(jnp.abs(x) < 0.75, small, large)
    return widen(y, t.error["expm1"], floor=-1.0)
