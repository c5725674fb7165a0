"""max and min: ReLU and its relatives.

max(x, c) on x in [l, u] with l < c < u lies below its chord c + s (x - l) for every
slope s >= (u - c) / (u - l), so s may be rounded up; below, a x + (1 - a) c is right
for every a in [0, 1] (Zhang et al. 2018, arXiv:1811.00866, table 2; chosen adaptively
as there, or optimised: Xu et al. 2021, arXiv:2011.13824). For two abstract operands
write max(x, y) = y + max(x - y, 0). min is the mirror image: min(x, y) = -max(-x, -y).
"""

import jax.numpy as jnp

from torchlean_jax.domains.affine._lines import Lines, relaxations, undecided
from torchlean_jax.domains.affine.relaxations._slopes import declare
from torchlean_jax.domains.interval import Interval
from torchlean_jax.domains.interval._rounding import round_down, round_up

declare(1, "max", "min")


@relaxations.define_op("max")
def _max(operation, x, y, slope=None):
    return max_lines(x, y, slope)


@relaxations.define_op("min")
def _min(operation, x, y, slope=None):
    return min_lines(x, y, slope)


def max_lines(x, y, slope=None) -> Lines:
    """Lines of max(x, y), where at least one operand is an Interval."""
    if not isinstance(x, Interval):
        return _swap(max_lines(y, x, slope))
    if isinstance(y, Interval):
        return _max_of_two(x, y, slope)
    return _max_with_constant(x, Interval.lift(y), slope)


def min_lines(x, y, slope=None) -> Lines:
    """Lines of min(x, y), where at least one operand is an Interval."""
    mirrored = max_lines(_negated(x), _negated(y), slope)
    return Lines(
        mirrored.upper, -mirrored.upper_offset, mirrored.lower, -mirrored.lower_offset
    )


@undecided.define_op("max", "min")
def _overlap(operation, x, y):
    x, y = Interval.lift(x), Interval.lift(y)
    return ~((x.lo >= y.hi) | (x.hi <= y.lo))


def _negated(x):
    return Interval(-x.hi, -x.lo) if isinstance(x, Interval) else -jnp.asarray(x)


def _swap(lines):
    return Lines(
        lines.lower[::-1], lines.lower_offset, lines.upper[::-1], lines.upper_offset
    )


def _max_with_constant(x, c, slope):
    is_x, is_c = x.lo >= c.hi, x.hi <= c.hi
    chord = _chord_slope(round_up(x.hi - c.hi), round_down(x.hi - x.lo), is_x, is_c)
    rise = round_up(c.hi + round_up(-chord * x.lo))
    upper_offset = jnp.where(is_x, 0, jnp.where(is_c, c.hi, rise))
    a = _lower_slope(chord, slope, is_x, x.hi <= c.lo)
    rest = 1 - a
    share = jnp.minimum(round_down(rest) * c.lo, round_up(rest) * c.lo)
    lower_offset = jnp.where(a == 1, 0, jnp.where(a == 0, c.lo, round_down(share)))
    return Lines((a, None), lower_offset, (chord, None), upper_offset)


def _max_of_two(x, y, slope):
    is_x, is_y = x.lo >= y.hi, x.hi <= y.lo
    least, most = round_down(x.lo - y.hi), round_up(x.hi - y.lo)
    chord = _chord_slope(most, round_down(most - least), is_x, is_y)
    a = _lower_slope(chord, slope, is_x, is_y)
    # 1 - slope is rounded when it meets y
    spare = jnp.maximum(jnp.abs(y.lo), jnp.abs(y.hi)) * jnp.finfo(chord.dtype).eps
    rise = round_up(round_up(-chord * least) + round_up(spare))
    upper_offset = jnp.where(is_x | is_y, 0, rise)
    lower_offset = jnp.where((a == 0) | (a == 1), 0, -round_up(spare))
    return Lines((a, 1 - a), lower_offset, (chord, 1 - chord), upper_offset)


def _chord_slope(rise, run, is_x, is_other):
    """At least rise / run, in [0, 1]; 1 where the run is unbounded (the offset is then
    inf)."""
    decided = is_x | is_other
    slope = jnp.minimum(round_up(rise / jnp.where(decided, 1, run), ulps=3), 1)
    slope = jnp.where(jnp.isnan(slope), 1, slope)
    return jnp.where(is_x, 1, jnp.where(is_other, 0, slope))


def _lower_slope(chord, slope, is_x, is_other):
    a = jnp.where(chord >= 0.5, 1, 0).astype(chord.dtype) if slope is None else slope
    return jnp.where(is_x, 1, jnp.where(is_other, 0, a))
