"""Lines around a curve, made rigorous after the fact.

Which slope is best is a search in ordinary floating point, and different for every
shape of function (the other files here). What makes a line a bound is only its offset:
for *any* slope a the best offset below f on [l, u] is min (f(x) - a x), and here that
minimum is bounded from enclosures of f and f' at four points. Let [p, q] be the part of
[l, u] on which f is convex, and let f be concave on what remains on either side. A
concave function is least at an end, so the minimum is attained at l, at u, or on [p,
q]; and there, with t any point of it,

    f(x) - a x  >=  f(t) - a t + (f'(t) - a) (x - t),       x - t in [p - t, q - t].

The last term vanishes when a = f'(t); a float never is, and the term pays for the
difference. Above, the same holds for -f. Nothing here chooses a slope.
"""

from collections.abc import Callable
from dataclasses import dataclass

import jax.numpy as jnp
from jaxtyping import Array

from torchlean_jax.domains.affine._lines import Lines
from torchlean_jax.domains.interval import Interval
from torchlean_jax.domains.interval._rounding import round_down, round_up

# f as a function of points: enclosures of f(x) and of f'(x).
Curve = Callable[[Array], tuple[Interval, Interval]]


def curve_of(bounds, slope) -> Curve:
    """From `bounds(x) -> (lo, hi)` of f and `slope(x, y)`, an enclosure of f' given one
    of f."""

    def curve(x):
        value = Interval(*bounds(x))
        return value, slope(x, value)

    return curve


@dataclass(frozen=True)
class Sides:
    """How the lower line of f (at [0]) and that of -f (at [1]) are chosen: arrays [2,
    *shape].

    touch: a point of [first, last], the part where the function is convex ([t, t] for
    some t if there is none). chord: where the line joins the ends instead of touching.
    lost: how far the function may be below its tangent on [first, last] for want of
    exact convexity.
    limits: the slopes of chords are clipped to these.
    """

    touch: Array
    first: Array
    last: Array
    chord: Array
    lost: Array | float = 0.0
    limits: tuple | None = None


def guarded(x: Interval, valid, safe: float) -> tuple[Interval, Array]:
    """(`x` with the point `safe` in place of what no line can serve, where it could be
    kept).

    Kept is what is finite and `valid`. The replacement keeps NaN out of derivatives.
    """
    valid = valid & jnp.isfinite(x.lo) & jnp.isfinite(x.hi)
    lo, hi = (jnp.where(valid, end, jnp.asarray(safe, x.dtype)) for end in (x.lo, x.hi))
    return Interval(lo, hi), valid


def both(a, b):
    """An array for each side."""
    return jnp.stack(jnp.broadcast_arrays(a, b))


def lines_around(curve: Curve, x: Interval, sides: Sides, valid=True) -> Lines:
    """The lines that `sides` chooses, with offsets that make them bounds.

    Slopes are 0 and offsets infinite where `valid` is false or no line was found.
    """
    ends = jnp.stack([x.lo, x.hi])
    touch = jnp.clip(sides.touch, x.lo, x.hi)
    value, slope = curve(jnp.concatenate([ends, touch]))
    chord = both(*_chords(x, value))
    if sides.limits is not None:
        chord = jnp.clip(chord, *sides.limits)
    at_touch, tangent = _of_both(value[2:]), _of_both(slope[2:])
    a = jnp.where(sides.chord & ~jnp.isnan(chord), chord, _middle(tangent))
    low = jnp.stack([value.lo[:2], -value.hi[:2]])
    at_ends = drop(low, a[:, None], ends, round_down).min(axis=1)
    lost = round_up(_payment(tangent, a, touch, sides) + sides.lost)
    inside = round_down(drop(at_touch.lo, a, touch, round_down) - lost)
    offset = jnp.minimum(at_ends, inside)
    good = valid & jnp.isfinite(a) & jnp.isfinite(offset)
    a, offset = jnp.where(good, a, 0), jnp.where(good, offset, -jnp.inf)
    return Lines((a[0],), offset[0], (-a[1],), -offset[1])


def _of_both(x):
    """An enclosure of f at [0] and of -f at [1], from one of f at both."""
    return Interval(both(x.lo[0], -x.hi[1]), both(x.hi[0], -x.lo[1]))


def _payment(tangent, a, touch, sides):
    """At most max (a - f'(t)) (x - t) over the part where the function is convex."""
    before = round_up(touch - jnp.minimum(sides.first, touch))
    after = round_up(jnp.maximum(sides.last, touch) - touch)
    return round_up(
        jnp.maximum(
            jnp.maximum(round_up(tangent.hi - a), 0) * before,
            jnp.maximum(round_up(a - tangent.lo), 0) * after,
        )
    )


def _chords(x, value):
    """Slopes between the ends, of f and of -f; NaN where they are too close to have
    one."""
    middle = _middle(value)
    scale = jnp.minimum(1, jnp.maximum(jnp.abs(x.lo), jnp.abs(x.hi)))
    narrow = x.hi - x.lo <= scale * float(jnp.finfo(x.dtype).eps) ** (1 / 3)
    run = jnp.where(narrow, 1, x.hi - x.lo)
    chord = jnp.where(narrow, jnp.nan, (middle[1] - middle[0]) / run)
    return chord, -chord


def _middle(x):
    return x.lo * 0.5 + x.hi * 0.5


def drop(y, a, x, outward):
    """y - a x, rounded `outward`."""
    product = a * x
    kind = jnp.finfo(product.dtype)
    slack = jnp.abs(product) * float(kind.eps) + 2 * kind.smallest_normal
    slack = slack if outward is round_down else -slack
    return outward(y - product - slack, ulps=1)
