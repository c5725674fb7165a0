"""Enclosures of sqrt, rsqrt, cbrt, and of quotients.

Little is asked of the library's division and nothing of its square root: a result is
cut to half its bits, its residual computed exactly, and the correction taken from that
(`_pair.py`). Operands are first scaled to [1/2, 2) or so, in the integer bits, so that
no residual can underflow.
"""

import jax.numpy as jnp

from torchlean_jax.domains.interval._functions._exp import scale
from torchlean_jax.domains.interval._functions._log import is_zero, normalise
from torchlean_jax.domains.interval._functions._pair import Pair, bits_of, high
from torchlean_jax.domains.interval._functions._table import (
    Bounds,
    Points,
    differentiable,
    table,
    widen,
)


def even_exponent(x):
    """`(m, n)` with x = m 4**n and m in [0.7, 2.83), for finite x > 0."""
    m, e = normalise(x)
    n = e >> 1
    return scale(m, e - 2 * n), n


def _is_negative(x):
    return (bits_of(x) < 0) & ~is_zero(x)


@differentiable(jnp.sqrt)
def sqrt_bounds(x: Points) -> Bounds:
    """`(lo, hi)` with lo <= sqrt(x) <= hi; NaN for negative x."""
    m, n = even_exponent(x)
    y = scale(Pair.of(m).sqrt().value(), n)
    y = jnp.where(is_zero(x) | jnp.isinf(x), jnp.abs(x), y)
    y = jnp.where(_is_negative(x) | jnp.isnan(x), jnp.nan, y)
    return widen(y, table(x.dtype).error["sqrt"], floor=0.0)


def rsqrt_kernel(m):
    """1 / sqrt(m) for a pair m of moderate size."""
    return Pair(1.0, 0.0).over(m.sqrt()).value()


@differentiable(lambda x: 1 / jnp.sqrt(x))
def rsqrt_bounds(x: Points) -> Bounds:
    """`(lo, hi)` with lo <= 1 / sqrt(x) <= hi; +inf at 0, NaN for negative x."""
    m, n = even_exponent(x)
    y = scale(rsqrt_kernel(Pair.of(m)), -n)
    y = jnp.where(jnp.isinf(x), 0.0, jnp.where(is_zero(x), jnp.inf, y))
    y = jnp.where(_is_negative(x) | jnp.isnan(x), jnp.nan, y)
    return widen(y, table(x.dtype).error["rsqrt"], floor=0.0)


def cbrt_kernel(m, t):
    """The cube root of m in [0.7, 5.66): a polynomial, cut to its head y, and one exact
    residual.

    y * y is exact, and so is m - y**3 when y * y is taken in two parts. With c =
    cbrt(m), c - y = residual / (c**2 + c y + y**2), and there c = y + residual / (3
    y**2) is good enough.
    """
    y = high(t.cbrt(m))
    square = Pair.of(y * y)
    residual = (m - square.h * y) - square.l * y
    c = y + residual / (3 * (y * y))
    return Pair(y, residual / ((c * c + c * y) + y * y)).value()


@differentiable(jnp.cbrt)
def cbrt_bounds(x: Points) -> Bounds:
    """`(lo, hi)` with lo <= cbrt(x) <= hi; odd, so negative x are fine."""
    size = jnp.abs(x)
    m, e = normalise(size)
    n = e // 3  # rounded down, for negative e too
    y = scale(cbrt_kernel(scale(m, e - 3 * n), table(x.dtype)), n)
    y = jnp.where(is_zero(x) | jnp.isinf(x) | jnp.isnan(x), size, y)
    return widen(jnp.copysign(y, x), table(x.dtype).error["cbrt"])


def quotient_kernel(a, b):
    """a / b for pairs of moderate size."""
    return a.over(b).value()


@differentiable(lambda a, b: a / b)
def divide_bounds(a: Points, b: Points) -> Bounds:
    """`(lo, hi)` with lo <= a / b <= hi; what IEEE-754 says where b = 0."""
    m, e = normalise(jnp.abs(a))
    n, f = normalise(jnp.abs(b))
    limit = 2 * jnp.finfo(a.dtype).maxexp - 4
    size = scale(
        quotient_kernel(Pair.of(m), Pair.of(n)), jnp.clip(e - f, -limit, limit)
    )
    negative = (bits_of(a) < 0) ^ (bits_of(b) < 0)
    y = jnp.where(negative, -size, size)
    special = is_zero(a) | is_zero(b) | ~jnp.isfinite(a) | ~jnp.isfinite(b)
    return widen(jnp.where(special, a / b, y), table(a.dtype).error["divide"])


@differentiable(lambda x: 1 / x)
def reciprocal_bounds(x: Points) -> Bounds:
    """`(lo, hi)` with lo <= 1 / x <= hi; an infinity of the sign of x at zero."""
    return divide_bounds(jnp.ones_like(x), x)
