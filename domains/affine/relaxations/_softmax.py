"""Softmax and logsumexp between planes in all their arguments.

With S_i = sum_j exp(x_j - x_i), softmax(x)_i = 1 / S_i. Every plane here is written in the
differences d_j = x_j - x_i, so that what is added to all arguments cancels:

* S is at most the sum of the chords of exp, and 1 / s at least its tangent: a lower plane.
* log S is at least its tangent plane, whose slopes are a softmax, and exp of a number in an
  interval at most its chord: an upper plane (both as in Wei et al. 2023, arXiv:2303.01713).
* logsumexp lies above its tangent plane and below the logarithm's tangent at the chords' sum.

Coefficients are floats, and the offsets pay for all that was rounded in computing them.
"""

from dataclasses import dataclass

import jax.numpy as jnp
from jaxtyping import Array

from torchlean_jax.domains.affine import _points as p
from torchlean_jax.domains.affine._wholes import differences, logsumexp_at, total
from torchlean_jax.domains.interval import Interval
from torchlean_jax.domains.interval._arithmetic import magnitude
from torchlean_jax.domains.interval._contraction import gamma
from torchlean_jax.domains.interval._rounding import round_down, round_up


@dataclass(frozen=True)
class Planes:
    """lower @ x + lower_offset <= y <= upper @ x + upper_offset along one axis of x, the last.

    lower, upper: [*batch, n] for one result per row of x, [*batch, n, n] for n results.
    """

    lower: Array
    lower_offset: Array
    upper: Array
    upper_offset: Array


def logsumexp_planes(x: Interval) -> Planes:
    """Planes around log sum_j exp(x_j) over the last axis."""
    middle = x.lo * 0.5 + x.hi * 0.5
    level = logsumexp_at(middle)
    weights = _exp_of(middle, level)
    slopes, offset = _tangent(weights, middle, x)
    lower_offset = round_down(level.lo + offset.lo)
    # above: with m = max x, log sum exp(x - m) <= log s0 + (sum of chords - s0) / s0
    most = jnp.max(x.hi, axis=-1, keepdims=True)
    shifted = Interval(round_down(x.lo - most), round_up(x.hi - most))
    chord, height = _chords(shifted)
    centre = _middle(total(_line_at(chord, height, p.at(middle - most))))
    centre = jnp.maximum(centre, jnp.finfo(centre.dtype).tiny)[..., None]
    rate = p.inverse(p.at(centre))
    upper, lost = _rounded(p.mul(p.at(chord), rate), x)
    # the planes are in x - m: take m times the slopes out again
    rest = p.mul(total(p.at(height)), _last(rate))
    rest = p.add(rest, p.negate(p.mul(total(p.mul(p.at(chord), rate)), p.at(most[..., 0]))))
    constant = p.add(p.add(p.log(p.at(centre[..., 0])), p.constant(-1.0, lost)), rest)
    constant = p.add(constant, p.at(most[..., 0]))
    return _finite(
        Planes(slopes, lower_offset, upper, round_up(constant.hi + lost)), x
    )


def softmax_planes(x: Interval) -> Planes:
    """Planes around softmax over the last axis: coefficients at [..., result, argument]."""
    gap = differences(x)
    middle = gap.lo * 0.5 + gap.hi * 0.5
    lower, below = _softmax_from_below(gap, middle)
    upper, above = _softmax_from_above(gap, middle)
    lower, lost_below = _in_arguments(lower, gap, x)
    upper, lost_above = _in_arguments(upper, gap, x)
    return _finite(
        Planes(
            lower, round_down(below.lo - lost_below), upper, round_up(above.hi + lost_above)
        ),
        x,
    )


def _softmax_from_below(gap, middle):
    """1 / s >= 2 / s0 - s / s0**2 for s = sum of chords >= sum of exponentials."""
    chord, height = _chords(gap)
    centre = _middle(total(_line_at(chord, height, p.at(middle))))
    rate = p.inverse(p.at(centre))
    steep = p.square(rate)
    slopes = p.negate(p.mul(p.at(chord), _widened(steep)))
    constant = p.scaled(rate, 2.0)
    constant = p.add(constant, p.negate(p.mul(total(p.at(height)), steep)))
    return slopes, constant


def _softmax_from_above(gap, middle):
    """exp(g) <= kappa g + c for g = -log S in [g1, g2], and log S above its tangent plane."""
    most = p.negate(logsumexp_at(gap.lo))
    least = p.negate(logsumexp_at(gap.hi))
    run = most.hi - least.lo
    ends = p.exp(p.at(least.lo)), p.exp(p.at(most.hi))
    kappa = (_middle(ends[1]) - _middle(ends[0])) / jnp.where(run > 1e-4, run, 1)
    centre = p.exp(p.at(least.lo * 0.5 + most.hi * 0.5))
    kappa = jnp.where(run > 1e-4, kappa, _middle(centre))
    fall = p.negate(p.at(kappa))
    height = jnp.maximum(
        p.add(ends[0], p.mul(fall, p.at(least.lo))).hi,
        p.add(ends[1], p.mul(fall, p.at(most.hi))).hi,
    )
    level = logsumexp_at(middle)
    weights = _exp_of(middle, level)
    slopes = p.mul(weights, _widened(fall))
    # kappa (-log S) + c with log S >= level + sum w (d - middle)
    constant = p.add(p.mul(fall, level), p.at(height))
    turned = p.negate(total(p.mul(slopes, p.at(middle))))
    return slopes, p.add(constant, turned)


def _exp_of(middle, level):
    """softmax at the points `middle`: exp(middle - logsumexp)."""
    return p.exp(p.add(p.at(middle), p.negate(_widened(level))))


def _tangent(weights, middle, x):
    """(slopes, what is left): sum w (x - middle) >= slopes @ x + left.lo, for w in `weights`."""
    slopes, lost = _rounded(weights, Interval(x.lo - middle, x.hi - middle))
    rest = p.negate(total(p.mul(p.at(slopes), p.at(middle))))
    return slopes, Interval(round_down(rest.lo - lost), rest.hi)


def _rounded(slopes: Interval, x: Interval):
    """Floats for slopes, and a bound on |sum (slope - float) x| over the last axis."""
    middle = _middle(slopes)
    radius = round_up(jnp.maximum(slopes.hi - middle, middle - slopes.lo))
    terms = round_up(radius * round_up(magnitude(x), ulps=4))
    return middle, round_up(total(p.at(terms)).hi)


def _in_arguments(slopes: Interval, gap: Interval, x: Interval):
    """Slopes in d_j = x_j - x_i as floats in x, and what that rounding can cost."""
    floats, lost = _rounded(slopes, gap)
    n = x.shape[-1]
    same = jnp.eye(n, dtype=bool)
    floats = jnp.where(same, 0, floats)
    own = -jnp.sum(floats, axis=-1)
    size = jnp.sum(jnp.abs(floats), axis=-1)
    miss = size * gamma(n, x.dtype) * magnitude(x) * (1 + 2.0**-10)
    lost = round_up(lost + round_up(miss))
    return floats + jnp.where(same, own[..., None], 0), lost


def _chords(x: Interval):
    """Slope and height (floats) of lines above exp on each interval."""
    run = x.hi - x.lo
    low, high = p.exp(p.at(x.lo)), p.exp(p.at(x.hi))
    narrow = run <= float(jnp.finfo(x.dtype).eps) ** (1 / 3)
    chord = (_middle(high) - _middle(low)) / jnp.where(narrow, 1, run)
    chord = jnp.where(narrow, _middle(p.exp(p.at(x.lo * 0.5 + x.hi * 0.5))), chord)
    tilt = p.negate(p.at(chord))
    heights = (
        p.add(low, p.mul(tilt, p.at(x.lo))).hi,
        p.add(high, p.mul(tilt, p.at(x.hi))).hi,
    )
    return chord, jnp.maximum(*heights)


def _line_at(slope, height, x: Interval) -> Interval:
    return p.add(p.mul(p.at(slope), x), p.at(height))


def _middle(x):
    return x.lo * 0.5 + x.hi * 0.5


def _widened(x):
    return Interval(x.lo[..., None], x.hi[..., None])


def _last(x):
    return Interval(x.lo[..., 0], x.hi[..., 0])


def _finite(planes, x):
    """Nothing (0 and infinities) where an argument is unbounded or something overflowed."""
    known = jnp.isfinite(x.lo).all(-1) & jnp.isfinite(x.hi).all(-1)
    known = jnp.broadcast_to(
        known if planes.lower.ndim == x.ndim else known[..., None],
        planes.lower_offset.shape,
    )

    def keep(slopes, offset, nothing):
        good = known & jnp.isfinite(slopes).all(-1) & jnp.isfinite(offset)
        return jnp.where(good[..., None], slopes, 0), jnp.where(good, offset, nothing)

    lower, below = keep(planes.lower, planes.lower_offset, -jnp.inf)
    upper, above = keep(planes.upper, planes.upper_offset, jnp.inf)
    return Planes(lower, below, upper, above)
