"""Lines around a curve, made rigorous after the fact.

Which slope is best is a search in ordinary floating point, and different for every shape of
function (the other files here). What makes a line a bound is only its offset: for *any* slope a
the best offset below f on [l, u] is min (f(x) - a x), and here that minimum is bounded from
enclosures of f and f' at four points. Let [p, q] be the part of [l, u] on which f is convex, and
let f be concave on what remains on either side. A concave function is least at an end, so the
minimum is attained at l, at u, or on [p, q]; and there, with t any point of it,

    f(x) - a x  >=  f(t) - a t + (f'(t) - a) (x - t),       x - t in [p - t, q - t].

The last term vanishes when a = f'(t); a float never is, and the term pays for the difference.
Above, the same holds for -f. Nothing here chooses a slope.
"""

from collections.abc import Callable
from dataclasses import dataclass

import jax.numpy as jnp
from jaxtyping import Array

from torchlean_jax.domains.affine._lines import Lines
from torchlean_jax.domains.interval import Interval
from torchlean_jax.domains.interval._arithmetic import negate
from torchlean_jax.domains.interval._rounding import round_down, round_up


# f as a function of points: enclosures of f(x) and of f'(x).
Curve = Callable[[Array], tuple[Interval, Interval]]


def curve_of(bounds, slope) -> Curve:
    """From `bounds(x) -> (lo, hi)` of f and `slope(x, y)`, an enclosure of f' given one of f."""

    def curve(x):
        value = Interval(*bounds(x))
        return value, slope(x, value)

    return curve


@dataclass(frozen=True)
class Side:
    """How one line is chosen; the lower one in the words used here.

    touch: a point of [first, last], the part where f is convex ([l, l], say, if there is none).
    chord: where the line joins the ends of f instead of touching it.
    lost: how far f may be below its tangent on [first, last] for want of exact convexity.
    limits: the slope of a chord is clipped to these (slopes of f, for either side).
    """

    touch: Array
    first: Array
    last: Array
    chord: Array
    lost: Array | float = 0.0
    limits: tuple = (-jnp.inf, jnp.inf)


def guarded(x: Interval, valid, safe: float) -> tuple[Interval, Array]:
    """(`x` with the point `safe` in place of what no line can serve, where it could be kept).

    Kept is what is finite and `valid`. The replacement keeps NaN out of derivatives.
    """
    valid = valid & jnp.isfinite(x.lo) & jnp.isfinite(x.hi)
    lo, hi = (jnp.where(valid, end, jnp.asarray(safe, x.dtype)) for end in (x.lo, x.hi))
    return Interval(lo, hi), valid


def lines_around(
    curve: Curve, x: Interval, below: Side, above: Side, valid: Array | bool = True
) -> Lines:
    """The lines that `below` and `above` choose, with offsets that make them bounds.

    Slopes are 0 and offsets infinite where `valid` is false or no line was found.
    """
    points = jnp.stack(
        jnp.broadcast_arrays(x.lo, x.hi, _inside(below.touch, x), _inside(above.touch, x))
    )
    value, slope = curve(points)
    slope = slope[2:]
    chord = _chord(x, value)
    rising, falling = jnp.clip(chord, *below.limits), -jnp.clip(chord, *above.limits)
    lower = _lower_line(x, value[:2], value[2], slope[0], points[2], rising, below)
    mirrored, tilted = negate(value), negate(slope)
    upper = _lower_line(
        x, mirrored[:2], mirrored[3], tilted[1], points[3], falling, above
    )
    (a, c), (b, d) = (_or_nothing(valid, *line) for line in (lower, upper))
    return Lines((a,), c, (-b,), -d)


def _inside(touch, x):
    return jnp.clip(touch, x.lo, x.hi)


def _chord(x, value):
    """The slope between the ends; NaN where they are too close together to have one."""
    low, high = _middle(value[0]), _middle(value[1])
    scale = jnp.minimum(1, jnp.maximum(jnp.abs(x.lo), jnp.abs(x.hi)))
    narrow = x.hi - x.lo <= scale * float(jnp.finfo(x.dtype).eps) ** (1 / 3)
    return jnp.where(narrow, jnp.nan, (high - low) / jnp.where(narrow, 1, x.hi - x.lo))


def _middle(x):
    return x.lo * 0.5 + x.hi * 0.5


def _lower_line(x, ends, value, slope, touch, chord, side):
    tangent = _middle(slope)
    a = jnp.where(side.chord & ~jnp.isnan(chord), chord, tangent)
    at_ends = jnp.minimum(
        drop(ends[0].lo, a, x.lo, round_down), drop(ends[1].lo, a, x.hi, round_down)
    )
    steep, flat = round_up(slope.hi - a), round_down(slope.lo - a)
    before = round_up(touch - jnp.minimum(side.first, touch))
    after = round_up(jnp.maximum(side.last, touch) - touch)
    payment = jnp.maximum(
        round_up(jnp.maximum(steep, 0) * before), round_up(jnp.maximum(-flat, 0) * after)
    )
    lost = round_up(payment + side.lost)
    inside = round_down(drop(value.lo, a, touch, round_down) - lost)
    return a, jnp.minimum(at_ends, inside)


def drop(y, a, x, outward):
    """y - a x, rounded `outward`."""
    product = a * x
    kind = jnp.finfo(product.dtype)
    slack = jnp.abs(product) * float(kind.eps) + 2 * kind.smallest_normal
    slack = slack if outward is round_down else -slack
    return outward(y - product - slack, ulps=1)


def _or_nothing(valid, a, offset):
    good = valid & jnp.isfinite(a) & jnp.isfinite(offset)
    return jnp.where(good, a, 0), jnp.where(good, offset, -jnp.inf)
