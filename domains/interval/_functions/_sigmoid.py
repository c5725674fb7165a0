"""Enclosures of logistic, tanh and softplus, from exp(-|x|)."""

import jax
import jax.numpy as jnp

from torchlean_jax.domains.interval._functions._exp import exp_pair, scale_pair
from torchlean_jax.domains.interval._functions._log import log1p_pair
from torchlean_jax.domains.interval._functions._pair import Pair, select, total
from torchlean_jax.domains.interval._functions._table import (
    Bounds,
    Points,
    differentiable,
    table,
    widen,
)


def decay(x):
    """exp(-|x|) as a pair at most 1."""
    return scale_pair(*exp_pair(-jnp.abs(x)))


def one(like):
    """1 as a pair of arrays."""
    return Pair(jnp.ones_like(like), jnp.zeros_like(like))


def logistic_kernel(numerator, e):
    """numerator / (1 + e): 1 / (1 + e) for positive arguments, e / (1 + e) for negative
    ones.
    """
    return numerator.over(Pair(1.0, 0.0).plus(e)).value()


@differentiable(jax.nn.sigmoid)
def logistic_bounds(x: Points) -> Bounds:
    """`(lo, hi)` with lo <= 1 / (1 + exp(-x)) <= hi."""
    e = decay(x)
    y = logistic_kernel(select(x < 0, e, one(x)), e)
    return widen(y, table(x.dtype).error["logistic"], floor=0.0, ceiling=1.0)


def tanh_small(x, z, t):
    """x + x z p(z); with z = x**2 this is tanh(x) for |x| < 1/2."""
    return x + x * (z * t.tanh(z))


def tanh_large(e):
    """tanh(|x|) = (1 - e) / (1 + e) for the pair e = exp(-2 |x|) < 0.37."""
    return Pair(1.0, 0.0).minus(e).over(Pair(1.0, 0.0).plus(e)).value()


@differentiable(jnp.tanh)
def tanh_bounds(x: Points) -> Bounds:
    """`(lo, hi)` with lo <= tanh(x) <= hi, of one sign and within [-1, 1]."""
    t = table(x.dtype)
    size = jnp.abs(x)
    small = tanh_small(size, size * size, t)
    y = jnp.where(size < 0.5, small, tanh_large(decay(2 * x)))
    lo, hi = widen(y, t.error["tanh"], floor=0.0, ceiling=1.0)
    return reflect(x, lo, hi)


def reflect(x, lo, hi):
    """Bounds of an odd function at x from bounds at |x|."""
    # The sign bit, not x < 0: the comparison reads a negative subnormal number as 0.
    negative = jnp.signbit(x)
    return jnp.where(negative, -hi, lo), jnp.where(negative, -lo, hi)


def softplus_kernel(positive, logarithm):
    """max(x, 0) + log1p(exp(-|x|)), both pairs."""
    return total(positive, logarithm).value()


@differentiable(jax.nn.softplus)
def softplus_bounds(x: Points) -> Bounds:
    """`(lo, hi)` with lo <= log(1 + exp(x)) <= hi."""
    y = softplus_kernel(Pair.of(jnp.maximum(x, 0.0)), log1p_pair(decay(x)))
    y = jnp.where(jnp.isinf(x), jnp.maximum(x, 0.0), y)
    return widen(y, table(x.dtype).error["softplus"], floor=0.0)
