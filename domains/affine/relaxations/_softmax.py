"""Softmax and logsumexp between planes in all their arguments.

With S_i = sum_j exp(x_j - x_i), softmax(x)_i = 1 / S_i. Every plane of softmax is
written in the differences d_j = x_j - x_i, so that what is added to all arguments
cancels:

* S is at most the sum of the chords of exp, and 1 / s at least its tangent: a lower
plane.
* log S is at least its tangent plane, whose slopes are a softmax, and exp of a number
in an
  interval at most its chord: an upper plane (both as in Wei et al. 2023,
  arXiv:2303.01713).

logsumexp lies above its tangent plane, and below the tangent of the logarithm at the
sum of chords. Coefficients are floats, and the offsets pay for all that was rounded in
computing them.
"""

from dataclasses import dataclass

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array

from torchlean_jax.domains.affine import _points as p
from torchlean_jax.domains.affine._wholes import antisymmetric, differences, total
from torchlean_jax.domains.interval import Interval
from torchlean_jax.domains.interval._arithmetic import magnitude
from torchlean_jax.domains.interval._contraction import gamma
from torchlean_jax.domains.interval._rounding import round_down, round_up


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class Planes:
    """lower @ x + lower_offset <= y <= upper @ x + upper_offset along one axis of x,
    the last.

    lower, upper: [*batch, n] for one result per row of x, [*batch, n, n] for n results.
    """

    lower: Array
    lower_offset: Array
    upper: Array
    upper_offset: Array


def softmax_planes(x: Interval) -> Planes:
    """Planes around softmax over the last axis: coefficients at [..., result,
    argument]."""
    gap = differences(x)
    lower, below, upper, above = _planes_in(gap)
    lower, lost_below = _in_arguments(lower, gap, x)
    upper, lost_above = _in_arguments(upper, gap, x)
    below, above = round_down(below - lost_below), round_up(above + lost_above)
    return _finite(Planes(lower, below, upper, above), x)


def gap_planes(gap: Interval) -> Planes:
    """Planes around softmax in the differences of its arguments, x_j - x_i at [..., i,
    j]: coefficients at [..., result, j]."""
    gap = antisymmetric(gap)
    lower, below, upper, above = _planes_in(gap)
    (lower, lost_below), (upper, lost_above) = (
        _rounded(slopes, gap) for slopes in (lower, upper)
    )
    same = jnp.eye(gap.shape[-1], dtype=bool)  # x_i - x_i is 0, whatever its slope
    lower, upper = jnp.where(same, 0, lower), jnp.where(same, 0, upper)
    below, above = round_down(below - lost_below), round_up(above + lost_above)
    return _finite(Planes(lower, below, upper, above), gap)


def _planes_in(gap):
    """(enclosed slopes, offset) below and above, in differences of arguments."""
    middle, powers = _exponentials(gap)
    sums = total(powers)
    chord, height = _chords(gap, powers)
    lower, below = _reciprocal_of_chords(chord, height, middle)
    upper, above = _exponential_of_tangent(middle, powers[1], sums)
    return lower, below.lo, upper, above.hi


def logsumexp_planes(x: Interval) -> Planes:
    """Planes around log sum_j exp(x_j) over the last axis: coefficients at [...,
    argument]."""
    most = jnp.max(x.hi, axis=-1, keepdims=True)
    gap = Interval(round_down(x.lo - most), round_up(x.hi - most))
    middle, powers = _exponentials(gap)
    chord, height = _chords(gap, powers)
    centre = _middle(total(_line_at(chord, height, middle)))
    sums = total(powers[1])
    logs = p.log(Interval(jnp.stack([sums.lo, centre]), jnp.stack([sums.hi, centre])))
    # below: log S + sum q (gap - middle), q = exp(middle) / S
    q = p.times_positive(powers[1], _widened(p.inverse(sums)))
    lower, lost = _rounded(q, Interval(gap.lo - middle, gap.hi - middle))
    below = p.minus(logs[0], total(p.times(lower, p.at(middle))))
    below = p.plus(below, _level_left_out(lower, most))
    below = round_down(below.lo - lost)
    # above: log(centre) + (sum of chords - centre) / centre
    rate = p.inverse(p.at(centre))
    upper, lost = _rounded(p.times(chord, _widened(rate)), gap)
    heights = total(p.times(height, _widened(rate)))
    above = p.minus(p.plus(logs[1], heights), p.constant(1.0, centre))
    above = p.plus(above, _level_left_out(upper, most))
    above = round_up(above.hi + lost)
    return _finite(Planes(lower, below, upper, above), x)


def _level_left_out(slopes, most):
    """Slopes act on x - most: (1 - sum of slopes) most is what makes them act on x."""
    return p.times(most[..., 0], p.one_minus(total(p.at(slopes))))


def _exponentials(gap):
    """The midpoints, and enclosures of exp at [lower ends, midpoints, upper ends]."""
    middle = gap.lo * 0.5 + gap.hi * 0.5
    return middle, p.exp(p.at(jnp.stack([gap.lo, middle, gap.hi])))


def _chords(gap, powers):
    """Slope and height (floats) of lines above exp on each interval."""
    run = gap.hi - gap.lo
    narrow = run <= float(jnp.finfo(run.dtype).eps) ** (1 / 3)
    rise = _middle(powers[2]) - _middle(powers[0])
    chord = jnp.where(narrow, _middle(powers[1]), rise / jnp.where(narrow, 1, run))
    fall = p.times(chord, p.at(jnp.stack([gap.lo, gap.hi])))
    return chord, p.minus(powers[::2], fall).hi.max(axis=0)


def _reciprocal_of_chords(chord, height, middle):
    """1 / s >= 2 / c - s / c**2 for s = sum of chords >= sum of exponentials."""
    centre = _middle(total(_line_at(chord, height, middle)))
    rate = p.inverse(p.at(centre))
    steep = p.square(rate)
    slopes = p.negate(p.times(chord, _widened(steep)))
    heights = total(p.times(height, _widened(steep)))
    constant = p.minus(Interval(2 * rate.lo, 2 * rate.hi), heights)
    return slopes, constant


def _exponential_of_tangent(middle, power, sums):
    """exp(g) <= kappa g + c for g = -log S, and log S is above its tangent plane at
    `middle`."""
    shares, logs = p.inverse(sums), p.negate(p.log(sums))
    run = logs.hi[0] - logs.lo[2]
    narrow = run <= float(jnp.finfo(run.dtype).eps) ** (1 / 3)
    rise = _middle(shares[0]) - _middle(shares[2])
    kappa = jnp.where(narrow, _middle(shares[1]), rise / jnp.where(narrow, 1, run))
    height = p.minus(shares[::2], p.times(kappa, logs[::2])).hi.max(axis=0)
    q = p.times_positive(power, _widened(shares[1]))
    slopes = p.times(-kappa[..., None], q)
    # kappa (-log S) + c, where log S >= (log S at the middle) + sum q (d - middle)
    constant = p.plus(p.times(kappa, logs[1]), p.at(height))
    return slopes, p.minus(constant, total(p.times(middle, slopes)))


def _rounded(slopes: Interval, x: Interval):
    """Floats for slopes, and a bound on |sum (slope - float) x| over the last axis."""
    middle = _middle(slopes)
    radius = round_up(jnp.maximum(slopes.hi - middle, middle - slopes.lo))
    terms = round_up(radius * round_up(magnitude(x), ulps=4))
    return middle, total(p.at(terms)).hi


def _in_arguments(slopes: Interval, gap: Interval, x: Interval):
    """Slopes in d_j = x_j - x_i as floats in x, and what that rounding can cost."""
    floats, lost = _rounded(slopes, gap)
    n = x.shape[-1]
    same = jnp.eye(n, dtype=bool)
    floats = jnp.where(same, 0, floats)
    parts, high = jnp.stack([floats, jnp.abs(floats)]), lax.Precision.HIGHEST
    others, size = jnp.dot(parts, jnp.ones(n, x.dtype), precision=high)
    miss = size * gamma(n, x.dtype) * magnitude(x) * (1 + 2.0**-10)
    lost = round_up(lost + round_up(miss))
    return floats + jnp.where(same, -others[..., None], 0), lost


def _line_at(slope, height, x) -> Interval:
    return p.plus(p.times(slope, p.at(x)), p.at(height))


def _middle(x):
    return x.lo * 0.5 + x.hi * 0.5


def _widened(x):
    return Interval(x.lo[..., None], x.hi[..., None])


def _finite(planes, x):
    """Nothing (0 and infinities) where an argument is unbounded or something
    overflowed."""
    known = jnp.isfinite(x.lo).all(-1) & jnp.isfinite(x.hi).all(-1)
    if planes.lower.ndim > x.ndim:
        known = known[..., None]

    def keep(slopes, offset, nothing):
        good = known & jnp.isfinite(slopes).all(-1) & jnp.isfinite(offset)
        return jnp.where(good[..., None], slopes, 0), jnp.where(good, offset, nothing)

    lower, below = keep(planes.lower, planes.lower_offset, -jnp.inf)
    upper, above = keep(planes.upper, planes.upper_offset, jnp.inf)
    return Planes(lower, below, upper, above)
