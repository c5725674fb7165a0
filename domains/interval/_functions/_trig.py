"""Enclosures of sin, cos and tan, at points and on intervals.

x = k pi/2 + r with |r| < 0.8. pi/2 is cut into pieces of 11 bits (binary64: 26) so that
k times a piece is exact. Subtracting the first two is exact as well: everything in
sight is a multiple of 2**-24 (2**-53) below 1. The next two are subtracted with the
cut-off part kept, so r is a pair whose error is relative even next to a multiple of
pi/2, plus the tiny `reduction` of the table.

The pieces reach to |k| <= 2**12 (2**26). Beyond that, |x| > 6433 (1.05e8), a spacing of
the inputs is so coarse that nothing useful is lost by answering [-1, 1].
"""

import jax.numpy as jnp

from torchlean_jax.domains.interval._functions._pair import Pair, high, select
from torchlean_jax.domains.interval._functions._table import (
    Bounds,
    Points,
    differentiable,
    table,
    widen,
)


def reduce(x, t):
    """`(r, k)`: r = x - k pi/2 as a pair; meaningless beyond the range."""
    k = jnp.round(jnp.where(jnp.abs(x) <= t.trig_range, x, 0.0) * t.two_over_pi)
    first, second, third, fourth, fifth = t.half_pi_pieces
    y = (x - k * first) - k * second
    s = high(y - k * third)
    cut = (y - s) - k * third
    head = high(s - k * fourth)
    low = ((s - head) - k * fourth) + cut
    low = low - k * fifth
    # After cancellation the two parts may be of one size; separate them again.
    s = high(head + low)
    return Pair(s, (head - s) + low), k.astype(jnp.int32)


def sin_kernel(r, t):
    """sin(r) as a pair: r + r**3 p(r**2)."""
    x = r.value()
    z = x * x
    return r.corrected(x * (z * t.sin(z)))


def cos_kernel(r, t):
    """cos(r) as a pair: 1 - r**2 / 2 + r**4 p(r**2)."""
    z = r.times(r)
    w = z.value()
    return Pair(1.0, 0.0).plus(z.scaled(-0.5), (w * w) * t.cos(w))


def _slack(k, t):
    """The absolute error of r: none where nothing was subtracted."""
    return jnp.where(k == 0, 0.0, t.reduction)


def _sine(x, shift):
    """Bounds of sin(x + shift pi/2), without derivative."""
    t = table(x.dtype)
    r, k = reduce(x, t)
    turn = k + shift
    y = select(turn % 2 == 0, sin_kernel(r, t), cos_kernel(r, t)).value()
    y = jnp.where(turn % 4 < 2, y, -y)
    lo, hi = widen(y, t.error["sin"], -1.0, 1.0, absolute=_slack(k, t))
    return _outside(x, t, -1.0, lo), _outside(x, t, 1.0, hi)


def _outside(x, t, limit, y):
    """`y` where the reduction holds, else `limit`; NaN stays NaN."""
    y = jnp.where(jnp.abs(x) <= t.trig_range, y, limit)
    return jnp.where(jnp.isnan(x), jnp.nan, y)


@differentiable(jnp.sin)
def sin_bounds(x: Points) -> Bounds:
    """`(lo, hi)` with lo <= sin(x) <= hi; [-1, 1] for |x| > 6433 (float64: 1.05e8)."""
    return _sine(x, 0)


@differentiable(jnp.cos)
def cos_bounds(x: Points) -> Bounds:
    """`(lo, hi)` with lo <= cos(x) <= hi; [-1, 1] for |x| > 6433 (float64: 1.05e8)."""
    return _sine(x, 1)


def tan_kernel(numerator, denominator):
    """The quotient of a sine and a cosine, or the negative of its inverse."""
    return numerator.over(denominator).value()


@differentiable(jnp.tan)
def tan_bounds(x: Points) -> Bounds:
    """`(lo, hi)` with lo <= tan(x) <= hi; the whole line beyond the range of sin."""
    t = table(x.dtype)
    r, k = reduce(x, t)
    sine, cosine = sin_kernel(r, t), cos_kernel(r, t)
    even = k % 2 == 0
    y = tan_kernel(select(even, sine, -cosine), select(even, cosine, sine))
    # |d tan(r) / tan(r)| = |dr / (sin(r) cos(r))| <= 2 |dr / r|, and the same for the
    # inverse.
    relative = 2.01 * _slack(k, t) / (jnp.abs(r.h) + jnp.finfo(x.dtype).smallest_normal)
    lo, hi = widen(y, t.error["tan"], absolute=jnp.abs(y) * relative)
    return _outside(x, t, -jnp.inf, lo), _outside(x, t, jnp.inf, hi)


def _odd_multiples_below(x, shift, t):
    """The number n of (2 n - 1) pi/2 <= x + shift pi/2, counted from 0: `(fewest,
    most)`.

    Next to a multiple the sign of r may be unknown; then the two differ by one.
    """
    r, k = reduce(x, t)
    odd = ((k + shift) % 2).astype(jnp.int32)
    rest, slack = r.value(), _slack(k, t)
    count = (k + shift + 1) >> 1
    return count - odd * (rest <= slack), count - odd * (rest < -slack)


def _sine_interval(lo, hi, shift, bounds):
    """Bounds of sin(x + shift pi/2) over [lo, hi]: its ends and the extrema inside."""
    t = table(lo.dtype)
    first, _ = _odd_multiples_below(lo, shift, t)
    _, last = _odd_multiples_below(hi, shift, t)
    (a, b), (c, d) = bounds(lo), bounds(hi)
    # The extremum number n is a maximum when n is odd: count the odd and even n in
    # (first, last].
    has_maximum = ((last + 1) >> 1) > ((first + 1) >> 1)
    has_minimum = (last >> 1) > (first >> 1)
    low, high_ = jnp.minimum(a, c), jnp.maximum(b, d)
    everything = (jnp.abs(lo) > t.trig_range) | (jnp.abs(hi) > t.trig_range)
    low = jnp.where((has_minimum | everything) & ~jnp.isnan(low), -1.0, low)
    high_ = jnp.where((has_maximum | everything) & ~jnp.isnan(high_), 1.0, high_)
    return low, high_


def sin_interval(lo: Points, hi: Points) -> Bounds:
    """`(low, high)` that contain sin(x) for every x in [lo, hi]."""
    return _sine_interval(jnp.asarray(lo), jnp.asarray(hi), 0, sin_bounds)


def cos_interval(lo: Points, hi: Points) -> Bounds:
    """`(low, high)` that contain cos(x) for every x in [lo, hi]."""
    return _sine_interval(jnp.asarray(lo), jnp.asarray(hi), 1, cos_bounds)


def tan_interval(lo: Points, hi: Points) -> Bounds:
    """`(low, high)` that contain tan over [lo, hi]; the whole line across a pole."""
    lo, hi = jnp.asarray(lo), jnp.asarray(hi)
    t = table(lo.dtype)
    first, _ = _odd_multiples_below(lo, 0, t)
    _, last = _odd_multiples_below(hi, 0, t)
    pole = (first != last) | (jnp.abs(lo) > t.trig_range) | (jnp.abs(hi) > t.trig_range)
    low, high_ = tan_bounds(lo)[0], tan_bounds(hi)[1]
    low = jnp.where(pole & ~jnp.isnan(low), -jnp.inf, low)
    return low, jnp.where(pole & ~jnp.isnan(high_), jnp.inf, high_)
