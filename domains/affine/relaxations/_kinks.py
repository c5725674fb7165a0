"""Piecewise-linear functions of one value, and elu: abs, leaky_relu, clamp.

A convex function with a kink at 0 lies above every line through 0 whose slope is
between the two; the slope is free there, as for ReLU. clamp bends up at its lower limit
and down at its upper.
"""

import jax.numpy as jnp

from torchlean_jax.domains.affine import _points as p
from torchlean_jax.domains.affine._lines import Lines, relaxations, undecided
from torchlean_jax.domains.affine._wholes import elu_at, leaky_at
from torchlean_jax.domains.affine.relaxations._convex import one_bend
from torchlean_jax.domains.affine.relaxations._curve import drop, guarded
from torchlean_jax.domains.affine.relaxations._slopes import declare
from torchlean_jax.domains.interval import Interval
from torchlean_jax.domains.interval._rounding import round_down, round_up

declare(1, "abs", "call:leaky_relu")
declare(2, "clamp", "call:elu")


@relaxations.define_op("abs")
def _abs(operation, x, slope=None):
    """A parameter s stands for the lower slope 2 s - 1."""
    return _kinked(x, -1.0, slope)


@relaxations.define_op("call:leaky_relu")
def _leaky_relu(operation, x, slope=None):
    """max(x, c x) for 0 < c < 1; a parameter s for the lower slope c + s (1 - c)."""
    return _kinked(x, operation.params["negative_slope"], slope)


@undecided.define_op("abs", "call:leaky_relu")
def _straddles(operation, x):
    return (x.lo < 0) & (x.hi > 0)


def _kinked(x, c, share):
    """max(x, c x) for -1 <= c < 1, c a float that the dtype of `x` holds."""
    x, valid = guarded(x, True, 0.0)
    chord = _chord_through(x, _middle(leaky_at(x.hi, c)) - _middle(leaky_at(x.lo, c)))
    decided = (x.lo >= 0) | (x.hi <= 0)
    side = jnp.where(x.lo >= 0, 1, c).astype(x.dtype)
    a = jnp.where(x.lo + x.hi >= 0, 1, c) if share is None else c + share * (1 - c)
    a = jnp.where(decided, side, jnp.clip(a, c, 1)).astype(x.dtype)
    b = jnp.where(decided, side, chord)
    offset = jnp.maximum(
        drop(leaky_at(x.lo, c).hi, b, x.lo, round_up),
        drop(leaky_at(x.hi, c).hi, b, x.hi, round_up),
    )
    above = jnp.where(decided, 0, offset)
    fits = valid & jnp.isfinite(b) & jnp.isfinite(above)
    below = jnp.where(valid, 0, -jnp.inf).astype(x.dtype)
    return Lines(
        (jnp.where(valid, a, 0),),
        below,
        (jnp.where(fits, b, 0),),
        jnp.where(fits, above, jnp.inf),
    )


def _middle(x):
    return x.lo * 0.5 + x.hi * 0.5


def _chord_through(x, rise):
    run = x.hi - x.lo
    return rise / jnp.where(run > 0, run, 1)


@relaxations.define_op("clamp")
def _clamp(operation, least, x, most, slope=None):
    """Lower line through (least, least) to the right end, upper through (most, most) to
    the left.

    Parameters are shares of the steepest slope of either; unset, whichever of 0 and 1
    leaves less area. Limits that are not concrete leave nothing to say.
    """
    shares = (None, None) if slope is None else slope
    lines = _clamp_lines(least, x, most, shares)
    return Lines(
        (None, lines.lower[0], None),
        lines.lower_offset,
        (None, lines.upper[0], None),
        lines.upper_offset,
    )


@undecided.define_op("clamp")
def _meets_a_limit(operation, least, x, most):
    least, most = Interval.lift(least), Interval.lift(most)
    inside = (x.lo >= least.hi) & (x.hi <= most.lo)
    return ~(inside | (x.hi <= least.lo) | (x.lo >= most.hi))


def _clamp_lines(least, x, most, shares):
    least, most = Interval.lift(least), Interval.lift(most)
    usable = (least.lo == least.hi) & (most.lo == most.hi) & (least.hi <= most.lo)
    x, valid = guarded(x, usable, 0.0)
    bottom = jnp.where(valid, least.lo, 0).astype(x.dtype)
    top = jnp.where(valid, most.lo, 0).astype(x.dtype)
    a, below = _under_clamp(x, bottom, top, shares[0])
    b, above = _under_clamp(Interval(-x.hi, -x.lo), -top, -bottom, shares[1])
    low, high = (valid & jnp.isfinite(e) for e in (below, above))
    return Lines(
        (jnp.where(low, a, 0),),
        jnp.where(low, below, -jnp.inf),
        (jnp.where(high, b, 0),),
        jnp.where(high, -above, jnp.inf),
    )


def _under_clamp(x, bottom, top, share):
    """The lower line of clamp(bottom, x, top): best offset for the chosen slope.

    f(x) - a x bends up only at `bottom`, so it is least there or at an end.
    """
    low, high = (jnp.clip(e, bottom, top) for e in (x.lo, x.hi))
    pivot = jnp.clip(bottom, x.lo, x.hi)
    run = x.hi - pivot
    steepest = jnp.where(
        run > 0, (high - jnp.maximum(low, bottom)) / jnp.where(run > 0, run, 1), 0
    )
    steepest = jnp.clip(steepest, 0, 1)
    middle = x.lo * 0.5 + x.hi * 0.5
    use = (middle >= pivot).astype(x.dtype) if share is None else jnp.clip(share, 0, 1)
    # left of the kink nothing is gained by a slope of 0 unless the kink is inside
    use = jnp.where(x.lo >= bottom, 1, use)
    a = steepest * use
    ends = jnp.minimum(drop(low, a, x.lo, round_down), drop(high, a, x.hi, round_down))
    kink = drop(jnp.clip(pivot, bottom, top), a, pivot, round_down)
    exact = (a == 0) | ((a == 1) & (x.lo >= bottom) & (x.hi <= top))
    value = jnp.where(a == 0, low, 0)
    return a, jnp.where(exact, value, jnp.minimum(ends, kink))


@relaxations.define_op("call:elu")
def _elu(operation, x, slope=None):
    """x for x > 0, else alpha expm1(x / scale), with 0 < alpha <= scale: convex.

    The tangent at 0 is y = x, whose slope is not below the derivative on the left.
    """
    alpha, scale = operation.params["alpha"], operation.params["scale"]
    x, valid = guarded(x, True, 0.0)
    return one_bend(_elu_curve(alpha, scale), x, slope, True, valid)


def _elu_curve(alpha, scale):
    def curve(x):
        value = elu_at(x, alpha, scale)
        # alpha exp(x / scale) / scale = (value + alpha) / scale
        left = p.plus(value, p.constant(alpha, x))
        left = p.times_positive(left, p.inverse(p.constant(scale, x)))
        slope = Interval(jnp.where(x >= 0, 1, left.lo), jnp.where(x >= 0, 1, left.hi))
        return value, slope

    return curve
