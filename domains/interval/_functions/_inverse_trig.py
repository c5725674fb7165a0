"""Enclosures of asin, acos, atan and atan2 (atan2 also over boxes)."""

import jax.numpy as jnp

from torchlean_jax.domains.interval._functions._exp import scale_pair
from torchlean_jax.domains.interval._functions._log import is_zero, normalise
from torchlean_jax.domains.interval._functions._pair import Pair, bits_of, select
from torchlean_jax.domains.interval._functions._sigmoid import one, reflect
from torchlean_jax.domains.interval._functions._table import (
    Bounds,
    Points,
    differentiable,
    table,
    widen,
)


def atan_kernel(r, z, t):
    """atan(r) as a pair, for a pair |r| <= tan(pi/8) and z = r**2."""
    return r.corrected(r.value() * (z * t.atan(z)))


def asin_kernel(r, z, t):
    """asin(r) as a pair, for a pair |r| <= 1/2 and z = r**2."""
    return r.corrected(r.value() * (z * t.asin(z)))


def _full(pair, like):
    """A constant pair as arrays."""
    return Pair(jnp.full_like(like, pair.h), jnp.full_like(like, pair.l))


def turned_back(r):
    """(r - 1) / (r + 1) = tan(atan(r) - pi/4) as a pair, for a pair 0.4 < r <= 1."""
    return Pair(-1.0, 0.0).plus(r).over(Pair(1.0, 0.0).plus(r))


def _atan_of(r, t):
    """atan(r) as a pair, for a pair 0 <= r <= 1."""
    steep = r.h > 0.4142
    q = select(steep, turned_back(r), r)
    z = q.value()
    near = atan_kernel(q, z * z, t)
    return select(steep, _full(t.half_pi.scaled(0.5), r.h), one(r.h).scaled(0.0)).plus(
        near
    )


@differentiable(jnp.arctan)
def atan_bounds(x: Points) -> Bounds:
    """`(lo, hi)` with lo <= atan(x) <= hi, on the right side of 0."""
    t = table(x.dtype)
    # Above 2**100, 1/x is nothing beside pi/2; and 1/inf would make a NaN of the
    # residual.
    size = Pair.of(jnp.minimum(jnp.abs(x), 2.0**100))
    large = size.h > 1
    near = _atan_of(select(large, one(x).over(size), size), t)
    y = jnp.where(large, t.half_pi.minus(near).value(), near.value())
    y = jnp.where(jnp.isnan(x), x, y)
    lo, hi = widen(y, t.error["atan"], floor=0.0)
    return reflect(x, lo, hi)


def half_angle(x, t):
    """asin(sqrt((1 - x) / 2)) as a pair, for 1/2 <= x <= 1: half of acos(x).

    (1 - x) / 2 is exact. Where it is 0 the tiny number in its place is 2**-60 in the
    result.
    """
    z = jnp.maximum((1.0 - x) * 0.5, 2.0**-120)
    return asin_kernel(Pair.of(z).sqrt(), z, t)


def _asin_near_zero(x, t):
    return asin_kernel(Pair.of(x), x * x, t)


@differentiable(jnp.arcsin)
def asin_bounds(x: Points) -> Bounds:
    """`(lo, hi)`: lo <= asin(x) <= hi, on the right side of 0; NaN beyond [-1, 1]."""
    t = table(x.dtype)
    size = jnp.abs(x)
    far = t.half_pi.minus(half_angle(size, t).scaled(2.0))
    y = jnp.where(size < 0.5, _asin_near_zero(size, t).value(), far.value())
    y = jnp.where((size > 1) | jnp.isnan(x), jnp.nan, y)
    lo, hi = widen(y, t.error["asin"], floor=0.0)
    return reflect(x, lo, hi)


@differentiable(jnp.arccos)
def acos_bounds(x: Points) -> Bounds:
    """`(lo, hi)` with lo <= acos(x) <= hi; NaN beyond [-1, 1]."""
    t = table(x.dtype)
    angle = half_angle(jnp.abs(x), t).scaled(2.0)
    middle = t.half_pi.minus(_asin_near_zero(x, t)).value()
    y = jnp.where(x < 0, t.half_pi.scaled(2.0).minus(angle).value(), angle.value())
    y = jnp.where(jnp.abs(x) < 0.5, middle, y)
    y = jnp.where(x == 1, 0.0, y)
    y = jnp.where((jnp.abs(x) > 1) | jnp.isnan(x), jnp.nan, y)
    return widen(y, t.error["acos"], floor=0.0)


@differentiable(jnp.arctan2)
def atan2_bounds(y: Points, x: Points) -> Bounds:
    """`(lo, hi)` with lo <= the angle of (x, y) <= hi; a full turn where it is not one
    number.

    That is at the origin, on the cut {y = 0, x < 0} and with two infinite coordinates.
    """
    t = table(x.dtype)
    (m, e), (n, f) = normalise(jnp.abs(y)), normalise(jnp.abs(x))
    steep = bits_of(jnp.abs(y)) > bits_of(jnp.abs(x))
    top, bottom = jnp.where(steep, n, m), jnp.where(steep, m, n)
    limit = 2 * jnp.finfo(x.dtype).maxexp - 4
    ratio = Pair.of(top).over(Pair.of(bottom))
    ratio = scale_pair(ratio, jnp.clip(-jnp.abs(e - f), -limit, 0))
    flat = is_zero(y) | is_zero(x) | jnp.isinf(x) | jnp.isinf(y)
    ratio = select(flat, Pair(jnp.zeros_like(x), jnp.zeros_like(x)), ratio)
    angle = _atan_of(ratio, t)
    half, straight = _full(t.half_pi, x), _full(t.half_pi.scaled(2.0), x)
    angle = select(steep, half.minus(angle), angle)
    angle = select(jnp.signbit(x), straight.minus(angle), angle).value()
    lo, hi = widen(angle, t.error["atan2"], floor=0.0)
    lo, hi = reflect(y, lo, hi)
    turn = straight.value() * (1 + 4 * jnp.finfo(x.dtype).eps)
    anywhere = is_zero(y) & (is_zero(x) | jnp.signbit(x)) | jnp.isinf(x) & jnp.isinf(y)
    lo, hi = jnp.where(anywhere, -turn, lo), jnp.where(anywhere, turn, hi)
    undefined = jnp.isnan(x) | jnp.isnan(y)
    return jnp.where(undefined, jnp.nan, lo), jnp.where(undefined, jnp.nan, hi)


def atan2_interval(y_lo: Points, y_hi: Points, x_lo: Points, x_hi: Points) -> Bounds:
    """`(low, high)` that contain the angle of (x, y) for every point of a box.

    The angles of a convex set without the origin and off the cut are extreme at its
    corners; a box that touches the cut {y = 0, x <= 0} gives the full turn.
    """
    corners = [atan2_bounds(y, x) for y in (y_lo, y_hi) for x in (x_lo, x_hi)]
    lows, highs = zip(*corners, strict=True)
    low = jnp.stack(jnp.broadcast_arrays(*lows)).min(axis=0)
    high = jnp.stack(jnp.broadcast_arrays(*highs)).max(axis=0)
    kind = jnp.finfo(low.dtype)
    turn = jnp.asarray(jnp.pi * (1 + 4 * kind.eps), low.dtype)
    # <= also on subnormal numbers, which the comparison reads as 0: only ever a wider
    # answer.
    cut = (x_lo <= 0) & (y_lo <= 0) & (y_hi >= 0)
    known = ~jnp.isnan(low) & ~jnp.isnan(high)
    return jnp.where(cut & known, -turn, low), jnp.where(cut & known, turn, high)
