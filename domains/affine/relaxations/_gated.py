"""x times a gate that opens from 0 to 1: silu and gelu, kept whole.

Each is x / 2 plus an even function, concave below -c, convex on [-c, c] and concave
above c, where its slope is above 1 (and below 0 under -c). Relaxing the product and the
gate apart would forget that both are functions of one x.

The inflections +-c were computed to more digits than `_BLUR` and the bends on either
side proved with ball arithmetic in the tests; the third derivative there is below 1/2.
"""

import functools
from collections.abc import Callable
from dataclasses import dataclass

import jax.numpy as jnp
import numpy as np

from torchlean_jax.domains.affine._gates import GATES
from torchlean_jax.domains.affine._lines import relaxations
from torchlean_jax.domains.affine.relaxations._curve import (
    Sides,
    both,
    guarded,
    lines_around,
)
from torchlean_jax.domains.affine.relaxations._slopes import declare, point_between
from torchlean_jax.domains.affine.relaxations._touching import (
    interpolate,
    solve_increasing,
)

_KNOTS, _FARTHEST, _BLUR = 1024, 2.0**20, 1e-6


@dataclass(frozen=True)
class Touching:
    """Where lines from points of the convex part touch a concave one, and the
    reverse."""

    inflection: float
    value: Callable
    slope: Callable

    @functools.cached_property
    def _from_outside(self):
        knots = np.geomspace(self.inflection, _FARTHEST, _KNOTS)
        ends = np.zeros_like(knots), np.full_like(knots, self.inflection)
        return solve_increasing(functools.partial(self._gap, knots), *ends)

    @functools.cached_property
    def _from_inside(self):
        """Reciprocals of the touching points: they grow to infinity next to 0."""
        knots = np.linspace(0, self.inflection, _KNOTS)
        ends = np.full_like(knots, self.inflection), np.full_like(knots, _FARTHEST)
        return 1 / solve_increasing(functools.partial(self._gap, knots), *ends)

    def _gap(self, end, d):
        return self.value(d) + self.slope(d) * (end - d) - self.value(end)

    def inward(self, u):
        """For u > c: the point in [0, c] whose tangent goes through the end u."""
        step = np.log(_FARTHEST / self.inflection) / (_KNOTS - 1)
        u = jnp.maximum(u, self.inflection)
        return interpolate(jnp.log(u / self.inflection) / step, self._from_outside)

    def outward(self, end):
        """For an end in [0, c]: the point beyond c whose tangent goes through it."""
        return 1 / interpolate(
            end * ((_KNOTS - 1) / self.inflection), self._from_inside
        )


def two_inflections(curve, x, slope, touching, valid):
    """Lines around a curve that is concave, convex, concave; symmetric but for x /
    2."""
    c, blur = touching.inflection, _BLUR
    shares = (None, None) if slope is None else slope
    middle = x.lo * 0.5 + x.hi * 0.5
    below = _below(x, middle, c, blur, touching, shares[0])
    above = _above(x, middle, c, blur, touching, shares[1])
    touch, first, last, chord = map(both, below, above)
    lost, limits = 4 * blur**3, _limits(x, c, blur)
    sides = Sides(touch, first, last, chord, lost, limits)
    return lines_around(curve, x, sides, valid)


def _limits(x, c, blur):
    """A chord across both concave parts rises, and less than x: see `_above`."""
    across = (x.hi > c - blur) & (x.lo < blur - c)
    infinity = jnp.full(x.shape, jnp.inf, x.dtype)
    return (
        both(-infinity, jnp.where(across, -1, -infinity)),
        both(infinity, jnp.where(across, 0, infinity)),
    )


def _below(x, middle, c, blur, touching, share):
    """(touch, first, last, chord) of the lower line."""
    inner = c - blur
    low = jnp.where(x.lo < -c, -touching.inward(-x.lo), x.lo)
    high = jnp.where(x.hi > c, touching.inward(x.hi), x.hi)
    low, high = jnp.maximum(low, -inner), jnp.minimum(high, inner)
    # an end within the convex part is where a chord touches it
    end = jnp.where(x.lo > -inner, x.lo, x.hi)
    chord = low >= high
    touch = jnp.where(
        chord, end, point_between(low, jnp.maximum(low, high), middle, share)
    )
    bent = (x.hi > -c) & (x.lo < c)
    first = jnp.where(bent, jnp.maximum(x.lo, -c - blur), touch)
    last = jnp.where(bent, jnp.minimum(x.hi, c + blur), touch)
    return touch, first, last, chord


def _above(x, middle, c, blur, touching, share):
    """The line touches the concave part on the right, or that on the left, or none.

    No line touches both; a chord across both is increasing, and flatter than x, while
    there the curve falls on the left and rises faster than x on the right: it is
    highest at the ends.
    """
    right = jnp.where(x.lo < c, touching.outward(jnp.maximum(x.lo, 0)), x.lo)
    right = jnp.where(x.lo <= 0, jnp.inf, jnp.maximum(right, c + blur))
    left = jnp.where(x.hi > -c, -touching.outward(jnp.maximum(-x.hi, 0)), x.hi)
    left = jnp.where(x.hi >= 0, -jnp.inf, jnp.minimum(left, -c - blur))
    on_right, on_left = right < x.hi, left > x.lo
    chord = ~(on_right | on_left)
    rising, falling = x.hi > c - blur, x.lo < blur - c
    far = jnp.where(rising, x.hi, x.lo)
    low = jnp.where(on_right, right, jnp.where(on_left, x.lo, far))
    high = jnp.where(on_right, x.hi, jnp.where(on_left, left, far))
    touch = point_between(low, high, middle, share)
    first = jnp.where(rising & ~falling, jnp.maximum(x.lo, c - blur), touch)
    first = jnp.where(falling & ~rising, x.lo, first)
    last = jnp.where(falling & ~rising, jnp.minimum(x.hi, blur - c), touch)
    last = jnp.where(rising & ~falling, x.hi, last)
    return touch, first, last, chord


def _rule(gate):
    touching = Touching(gate.inflection, gate.plain, gate.plain_slope)

    def rule(operation, x, slope=None):
        x, valid = guarded(x, True, 0.0)
        params = operation.params if gate.takes_params else {}
        curve = functools.partial(gate.curve, **params)
        return two_inflections(curve, x, slope, touching, valid)

    return rule


declare(2, *GATES)
for _name, _gate in GATES.items():
    relaxations.define_op(_name)(_rule(_gate))
