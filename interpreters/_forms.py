"""Affine forms of values in the inputs, and their arithmetic.

Inputs are written as center + radius * t with |t| <= 1 in each coordinate (and in the
norm of a ball). A value v of a graph lies, for every such t, in

    middle(t) +- spread(t),      middle(t) = <middle, t> + level,
                                 spread(t) = <spread, t> + radius  >=  0.

Since no |t| exceeds 1, whatever rounding may have done to the coefficients is added to
`radius`. What affine equations make of forms is in `_linear_images`; which linear forms
bound nonlinear operations, in `_affine_forward`.

Source: the forward mode of LiRPA (Xu et al. 2020, arXiv:2002.12920, section 3.1), here
with both bounds as a middle and a spread.
"""

from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax

from torchlean_jax.domains.affine._ball import Ball
from torchlean_jax.domains.interval import Interval
from torchlean_jax.domains.interval._contraction import gamma, midpoint_radius
from torchlean_jax.domains.interval._functions import sqrt_bounds
from torchlean_jax.domains.interval._rounding import round_down, round_up


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class Form:
    """middle, spread: [n, *shape], n coordinates t (spread None: all 0); level, radius:
    [*shape]; total: [*shape], at least the sum of all their magnitudes."""

    middle: Any
    level: Any
    spread: Any
    radius: Any
    total: Any

    @property
    def shape(self):
        return self.level.shape

    def widened(self, by):
        """The form with an error of at most `by` more."""
        radius, total = (
            round_up(self.radius + by),
            round_up(self.total + 2 * by, ulps=2),
        )
        return Form(self.middle, self.level, self.spread, radius, total)

    def mapped(self, move):
        """A function that moves elements, applied to all parts."""
        spread = None if self.spread is None else jax.vmap(move)(self.spread)
        rest = (move(x) for x in (self.radius, self.total))
        return Form(jax.vmap(move)(self.middle), move(self.level), spread, *rest)


def of_input(region, before: int, total: int) -> Form:
    """An input set as a form in its own coordinates, which follow `before` others."""
    if isinstance(region, Ball):
        level = region.center
        radius = jnp.broadcast_to(region.radius, level.shape)
    else:
        level, radius = midpoint_radius(region)
    count = level.size
    places = jnp.arange(before, before + count)
    middle = (jnp.arange(total)[:, None] == places) * radius.reshape(-1)
    middle = middle.reshape(total, *level.shape).astype(level.dtype)
    zero = jnp.zeros_like(level)
    return Form(middle, level, None, zero, round_up(jnp.abs(level) + radius))


def constant(x: Interval, count: int) -> Form:
    """An enclosure as a form that does not depend on the `count` coordinates."""
    level, radius = midpoint_radius(x)
    middle = jnp.zeros((count, *level.shape), level.dtype)
    return Form(middle, level, None, radius, round_up(jnp.abs(level) + radius))


def settled(form: Form, value: Interval, groups) -> tuple[Form, Interval]:
    """(the form, or its enclosure `value` where a coefficient is no number; everything
    that is in both).

    groups: (count, norm) of the coordinates of each input, the norm None for a box.
    """
    found, total = _enclosure(form, groups)
    good = jnp.isfinite(found.lo) & jnp.isfinite(found.hi)
    level, radius = midpoint_radius(value)
    spread = None if form.spread is None else jnp.where(good, form.spread, 0)
    form = Form(
        jnp.where(good, form.middle, 0),
        jnp.where(good, form.level, level),
        spread,
        jnp.where(good, form.radius, radius),
        jnp.where(good, total, round_up(jnp.abs(level) + radius)),
    )
    return form, found


def enclosure(form: Form, groups) -> Interval:
    """All values of the form, as for `settled`."""
    return _enclosure(form, groups)[0]


def _enclosure(form, groups):
    spread = 0 if form.spread is None else form.spread
    below, above = form.middle - spread, form.middle + spread
    slack = 2 * gamma(2 * sum(n for n, _ in groups) + 8, form.level.dtype)
    tiny = 8 * len(form.middle) * float(jnp.finfo(form.level.dtype).smallest_normal)
    down, up = jnp.abs(below).sum(0), jnp.abs(above).sum(0)
    # |a - b| + |a + b| is at least |a| + |b|
    total = (down + up + jnp.abs(form.level) + jnp.abs(form.radius)) * (1 + slack)
    total = round_up(jnp.minimum(total, form.total), ulps=4)
    if any(norm is not None for _, norm in groups):
        down, up = _reach(below, groups), _reach(above, groups)
    lost = total * slack + tiny
    lo, hi = form.level - form.radius - down, form.level + form.radius + up
    found = Interval(round_down(lo - lost, ulps=2), round_up(hi + lost, ulps=2))
    return found, total


def _reach(coefficients, groups):
    """The most that <coefficients, t> can be: dual norms, group by group."""
    total, at = jnp.zeros(coefficients.shape[1:], coefficients.dtype), 0
    for count, norm in groups:
        part = coefficients[at : at + count]
        at += count
        if norm is None:
            total = total + jnp.abs(part).sum(0)
        elif norm == 1:
            total = total + jnp.max(jnp.abs(part), axis=0, initial=0)
        else:
            size = jnp.max(jnp.abs(part), axis=0, initial=0)
            unit = jnp.where(size > 0, size, 1)
            squares = ((part / unit) ** 2).sum(0)
            # a square that underflows is below what the slack of the sum pays for
            total = total + size * sqrt_bounds(squares)[1]
    return total


def shifted(form: Form, by: Interval) -> Form:
    """The form plus any number of `by`, element by element."""
    middle, radius = midpoint_radius(by)
    level = form.level + middle
    eps = float(jnp.finfo(level.dtype).eps)
    total = round_up(form.total + jnp.abs(middle), ulps=2)
    return Form(form.middle, level, form.spread, form.radius, total).widened(
        round_up(radius + jnp.abs(level) * eps, ulps=2)
    )


def plus(x: Form, y: Form) -> Form:
    """The sum of two forms of one shape."""
    spread = x.spread if y.spread is None else y.spread
    if x.spread is not None and y.spread is not None:
        spread = x.spread + y.spread
    total = round_up(x.total + y.total, ulps=2)
    radius = x.radius + y.radius
    found = Form(x.middle + y.middle, x.level + y.level, spread, radius, total)
    return found.widened(_small(total, x, 2))


def negated(form: Form) -> Form:
    return Form(-form.middle, -form.level, form.spread, form.radius, form.total)


def broadcast(form: Form, shape) -> Form:
    return form.mapped(lambda v: jnp.broadcast_to(v, shape))


def between(form: Form, low, high) -> Form:
    """All of [low * v, high * v] for v in the form: a * v of a lower line takes the
    lower end of v for a > 0, the upper one for a < 0; an upper line the other way."""
    mean, half = (low + high) * 0.5, (high - low) * 0.5
    tilt, steep = (abs(high) - abs(low)) * 0.5, (abs(low) + abs(high)) * 0.5
    middle, spread = mean * form.middle, half * form.middle
    if form.spread is not None:
        middle, spread = middle + tilt * form.spread, spread + steep * form.spread
    level = mean * form.level + tilt * form.radius
    radius = half * form.level + steep * form.radius
    # |mean| + |half| is the larger of |low| and |high|
    total = round_up((abs(low) + abs(high)) * form.total, ulps=8)
    # the halves of 0 and 3e-308 are read as 0, which costs what they are multiplied by
    halved = 4 * float(jnp.finfo(total.dtype).smallest_normal) * form.total
    lost = _small(total, form, 8) + halved
    exact = (low == high) & ((mean == 0) | (mean == 1))
    return Form(middle, level, spread, radius, total).widened(jnp.where(exact, 0, lost))


def hull(below: Form, above: Form) -> Form:
    """Everything from the lower end of one form to the upper end of another."""
    low, high = full_spread(below), full_spread(above)
    total = round_up(below.total + above.total, ulps=2)
    found = Form(
        (above.middle + below.middle) * 0.5 + (high - low) * 0.5,
        (above.level + below.level) * 0.5 + (above.radius - below.radius) * 0.5,
        (above.middle - below.middle) * 0.5 + (high + low) * 0.5,
        (above.level - below.level) * 0.5 + (above.radius + below.radius) * 0.5,
        total,
    )
    return found.widened(_small(total, below, 8))


def between_planes(form: Form, planes, each: bool) -> Form:
    """Between planes in the elements along the last axis; `each`: one for each of
    them."""
    dot = "...ij,...j->...i" if each else "...j,...j->..."
    high = lax.Precision.HIGHEST

    def times(weights, values):
        return jnp.einsum(dot, weights, values, precision=high)

    low, up = planes.lower, planes.upper
    mean, half = (low + up) * 0.5, (up - low) * 0.5
    tilt, steep = (abs(up) - abs(low)) * 0.5, (abs(low) + abs(up)) * 0.5
    full, count = full_spread(form), low.shape[-1]
    total = round_up(times(abs(low) + abs(up), form.total), ulps=count + 8)
    # halves that are read as 0: see `between`
    halved = 4 * float(jnp.finfo(total.dtype).smallest_normal) * form.total.sum(-1)
    halved = jnp.broadcast_to(halved[..., None] if each else halved, total.shape)
    found = Form(
        jax.vmap(lambda m, s: times(mean, m) + times(tilt, s))(form.middle, full),
        times(mean, form.level) + times(tilt, form.radius),
        jax.vmap(lambda m, s: times(half, m) + times(steep, s))(form.middle, full),
        times(half, form.level) + times(steep, form.radius),
        total,
    )
    found = found.widened(_small(total, form, 2 * count + 8) + halved)
    return shifted(found, Interval(planes.lower_offset, planes.upper_offset))


def weighted(rows, form: Form) -> Form:
    """sum rows * v for rows [R, *shape]: a form of shape [R]."""
    flat, count = rows.reshape(rows.shape[0], -1), form.middle.shape[0]
    high, terms = lax.Precision.HIGHEST, flat.shape[1]

    def times(weights, values):
        return jnp.matmul(values.reshape(-1, terms), weights.T, precision=high)

    tiny = float(jnp.finfo(rows.dtype).smallest_normal) * 8 * (count + 2)
    flushed = tiny * (terms + abs(flat).sum(-1))
    total = round_up(times(abs(flat), form.total)[0] + flushed, ulps=terms + 4)
    found = Form(
        times(flat, form.middle),
        times(flat, form.level)[0],
        None if form.spread is None else times(abs(flat), form.spread),
        times(abs(flat), form.radius)[0],
        total,
    )
    return found.widened(_small(total, form, 2 * terms + 8) + flushed)


def _small(size, form: Form, roundings: int):
    """What so many roundings of numbers of this size, and flushing, may come to."""
    kind, count = jnp.finfo(form.level.dtype), form.middle.shape[0]
    tiny = 8 * (count + 2) * roundings * float(kind.smallest_normal)
    return round_up(size * (2 * gamma(roundings, kind.dtype)) + tiny, ulps=4)


def full_spread(form):
    return jnp.zeros_like(form.middle) if form.spread is None else form.spread
