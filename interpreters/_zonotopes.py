"""Zonotopes: values as linear forms in the inputs and in the errors of nonlinear steps.

A value v lies, for some numbers |t| <= 1 that all values of a graph share, in

    level + sum over groups g of <parts[g], t_g>  +-  radius.

The coordinates of an input are a group (in the norm of a ball, if it is one), and so
are those of what the linear bounds of a nonlinear step leave open, one for each element
of its result. An error that meets itself again therefore cancels, as an input does: in
a network of four layers of width 32 forms in the inputs alone, whose errors only add
up, are 3,000 times as wide as these.

Since no |t| exceeds 1, whatever rounding may have done to coefficients is added to
`radius`. What is done to a part is a program of its own (`_pieces`), and so is what
does not depend on the number of coordinates; all of it stands here. What the steps of a
graph make of it is in `_zonotope_steps`.

Source: affine arithmetic (Stolfi and de Figueiredo 1997, chapter 3); as zonotopes of a
network: Singh et al. 2018 (DeepZ, section 4).
"""

from dataclasses import dataclass
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax

from torchlean_jax.domains.affine._ball import Ball
from torchlean_jax.domains.interval import Interval
from torchlean_jax.domains.interval._contraction import gamma, midpoint_radius
from torchlean_jax.domains.interval._exact import is_tracer
from torchlean_jax.domains.interval._functions import sqrt_bounds
from torchlean_jax.domains.interval._rounding import round_down, round_up
from torchlean_jax.interpreters import _linear_images

# More coordinates than memory holds: what flushing takes is paid for so many, so that
# the programs do not depend on how many there are.
COORDINATES = 2**24

# Groups are of these sizes or of twice, four times, ... the first, up to the second.
FEWEST, LARGE = 32, 512


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class Rest:
    """What does not depend on the number of coordinates: arrays [*shape]. total: at
    least |level| + radius + the sum of the magnitudes of all coefficients."""

    level: Any
    radius: Any
    total: Any


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class Zonotope:
    """parts: [n, *shape] for each group that the value depends on, n its
    coordinates."""

    rest: Rest
    parts: dict[int, Any]

    @property
    def shape(self):
        return self.rest.level.shape

    @property
    def bytes(self) -> int:
        return sum(part.size * part.dtype.itemsize for part in self.parts.values())


def of_input(region, group: int) -> Zonotope:
    if isinstance(region, Ball):
        level = region.center
        radius = jnp.broadcast_to(region.radius, level.shape)
    else:
        level, radius = midpoint_radius(region)
    rest = Rest(level, jnp.zeros_like(level), round_up(jnp.abs(level) + radius))
    return Zonotope(rest, {group: _diagonal(radius)})


@jax.jit
def constant(x: Interval) -> Rest:
    """An enclosure whose place in it is nobody's coordinate."""
    level, radius = midpoint_radius(lax.optimization_barrier(x))
    return Rest(level, radius, round_up(jnp.abs(level) + radius))


@jax.jit
def _diagonal(radius):
    """A coordinate for each element. Small groups are filled up with coordinates that
    nothing depends on: a program is compiled for each number of them."""
    flat = jnp.diag(radius.reshape(-1))
    if radius.size < LARGE:
        size = max(FEWEST, 1 << (radius.size - 1).bit_length())
        flat = jnp.pad(flat, ((0, size - radius.size), (0, 0)))
    return flat.reshape(-1, *radius.shape)


# Enclosures ---------------------------------------------------------------------------


def settled(z: Zonotope, value: Interval, norms) -> tuple[Zonotope, Interval]:
    """(the zonotope, or its enclosure `value` where a number in it is none; everything
    that is in both).

    norms: of each group, None for a box.
    """
    reach = sums = jnp.zeros_like(z.rest.level)
    for group, part in z.parts.items():
        within, total = _reach(norms[group], part)
        reach, sums = _sum_up(reach, within), _sum_up(sums, total)
    good, rest, found = _enclosed(z.rest, reach, sums, value)
    parts = z.parts
    if is_tracer(good) or not good.all():
        parts = {group: _kept(good, part) for group, part in parts.items()}
    return Zonotope(rest, parts), found


@partial(jax.jit, static_argnums=0)
def _reach(norm, part):
    """(the most that <part, t> can be, the sum of magnitudes), rounded up."""
    kind, count = jnp.finfo(part.dtype), part.shape[0]
    slack, tiny = 2 * gamma(count + 8, part.dtype), 8 * count * kind.smallest_normal
    total = round_up(jnp.abs(part).sum(0) * (1 + slack) + tiny, ulps=2)
    if norm is None:
        return total, total
    size = jnp.max(jnp.abs(part), axis=0, initial=0)
    if norm == 1:
        return round_up(size + kind.smallest_normal), total
    unit = jnp.where(size > 0, size, 1)
    length = size * sqrt_bounds(((part / unit) ** 2).sum(0))[1]
    return round_up(length * (1 + slack) + total * slack + tiny, ulps=4), total


@jax.jit
def _sum_up(x, y):
    return round_up(x + y)


@jax.jit
def _enclosed(rest, reach, sums, value):
    away = round_up(reach + rest.radius)
    lo, hi = round_down(rest.level - away), round_up(rest.level + away)
    good = jnp.isfinite(lo) & jnp.isfinite(hi)
    whole = round_up(round_up(sums + rest.radius) + jnp.abs(rest.level))
    other = constant(value)
    chosen = [
        jnp.where(good, own, there)
        for own, there in (
            (rest.level, other.level),
            (rest.radius, other.radius),
            (jnp.minimum(whole, rest.total), other.total),
        )
    ]
    both = Interval(
        jnp.where(good, jnp.fmax(lo, value.lo), value.lo),
        jnp.where(good, jnp.fmin(hi, value.hi), value.hi),
    )
    return good, Rest(*chosen), both


@jax.jit
def _kept(good, part):
    return jnp.where(good, part, 0)


# Affine equations ---------------------------------------------------------------------


def affine(kind, operands, fixed, radii, at_zero=None) -> list[Zonotope]:
    """The results of an equation that is affine in the operands that are zonotopes.

    operands: a Zonotope, or None where the operand is concrete. fixed, radii: as
    `_linear.fixed_operands` gives them. at_zero: the results at 0 as intervals, if they
    need not be 0.
    """
    moving = [z for z in operands if z is not None]
    rests = _affine_rest(kind, [z.rest for z in moving], fixed, radii, at_zero)
    found: list[dict] = [{} for _ in rests]
    for group in sorted({group for z in moving for group in z.parts}):
        count = next(len(z.parts[group]) for z in moving if group in z.parts)
        parts = [
            z.parts[group]
            if group in z.parts
            else jnp.zeros((count, *z.shape), z.rest.level.dtype)
            for z in moving
        ]
        for k, part in enumerate(_affine_part(kind, fixed, parts)):
            found[k][group] = part
    return [Zonotope(*pair) for pair in zip(rests, found, strict=True)]


@partial(jax.jit, static_argnums=0)
def _affine_part(kind, fixed, parts):
    fixed, _ = _linear_images.without_constants(kind.equation, fixed, [])
    run, _ = _linear_images.maps(kind.equation, fixed)
    return _linear_images.results(jax.vmap(run)(*parts))


@partial(jax.jit, static_argnums=0)
def _affine_rest(kind, rests, fixed, radii, at_zero):
    equation = kind.equation
    fixed, radii = _linear_images.without_constants(equation, fixed, radii)
    run, reach = _linear_images.maps(equation, fixed)
    levels = _linear_images.results(run(*[z.level for z in rests]))
    radius = _linear_images.results(reach(*[z.radius for z in rests]))
    totals = _linear_images.results(reach(*[z.total for z in rests]))
    lost = [0.0] * len(levels)
    if equation.name not in _linear_images.MOVES:
        totals, lost = _linear_images.lost_in(
            equation, rests, totals, reach, fixed, radii, COORDINATES
        )
    found = [
        _widened(Rest(*parts), more)
        for *parts, more in zip(levels, radius, totals, lost, strict=True)
    ]
    if at_zero is not None:
        found = [_shifted(z, by) for z, by in zip(found, at_zero, strict=True)]
    return lax.optimization_barrier(found)


def _widened(z: Rest, by) -> Rest:
    """With an error of at most `by` more."""
    total = round_up(z.total + 2 * by, ulps=2)
    return Rest(z.level, round_up(z.radius + by), total)


def _shifted(z: Rest, by: Interval) -> Rest:
    """Plus any number of `by`, element by element."""
    middle, radius = midpoint_radius(lax.optimization_barrier(by))
    moved = Rest(z.level + middle, z.radius, round_up(z.total + jnp.abs(middle)))
    return _widened(moved, round_up(radius + _rounded(moved.level), ulps=2))


def _rounded(level):
    """What rounding a sum to `level` may have cost."""
    kind = jnp.finfo(level.dtype)
    return jnp.abs(level) * float(kind.eps) + 2 * kind.smallest_normal


# Steps that leave something open ------------------------------------------------------


def sloped(slopes, operands, left: Interval, group: int) -> Zonotope:
    """sum of slopes * operands, element by element, plus a number of `left`: the
    coordinates of `group`. slopes: exactly the numbers they hold, None where an operand
    adds nothing."""
    pairs = [(a, z) for a, z in zip(slopes, operands, strict=True) if a is not None]
    rest, open_ = _sloped_rest([(a, z.rest) for a, z in pairs], left)
    parts: dict[int, Any] = {}
    for slope, z in pairs:
        for number, part in z.parts.items():
            more = _sloped_part(slope, part)
            parts[number] = parts[number] + more if number in parts else more
    return Zonotope(rest, {**parts, group: _diagonal(open_)})


@jax.jit
def _sloped_part(slope, part):
    # an operand may be repeated along axes of size 1, and lack leading ones
    missing = slope.ndim - (part.ndim - 1)
    return slope * part.reshape(len(part), *[1] * missing, *part.shape[1:])


@jax.jit
def _sloped_rest(pairs, left):
    level = radius = total = weight = unread = jnp.zeros_like(left.lo)
    for slope, z in pairs:
        steep = jnp.abs(slope)
        level, radius = level + slope * z.level, radius + steep * z.radius
        total = total + steep * z.total
        weight, unread = weight + steep, unread + z.total
    rest = rounded_rest(level, radius, total, len(pairs), weight=weight, unread=unread)
    return _opened(rest, left)


def rounded_rest(level, radius, total, terms: int, *, weight, unread) -> Rest:
    """A sum of `terms` products of weights with numbers, in every coordinate, with what
    rounding and flushing can have done to it.

    total: the sum of products of magnitudes. weight: the sum of the magnitudes of the
    weights, as which flushed coefficients count. unread: the sum of what the weights
    met, as which flushed weights count.
    """
    kind, rounded = jnp.finfo(level.dtype), 2 * terms + 8
    slack, tiny = 2 * gamma(rounded, kind.dtype), float(kind.smallest_normal)
    total = round_up(total * (1 + slack), ulps=4)
    flushed = 8 * COORDINATES * tiny * (terms + weight) + 4 * tiny * unread
    lost = round_up((total * slack + flushed) * (1 + slack), ulps=4)
    radius = round_up(radius * (1 + slack), ulps=4)
    return _widened(Rest(level, radius, total), lost)


def _opened(z: Rest, left: Interval):
    """(the middle of `left` added, what is open on either side of it): numbers that
    belong together, which no program computes twice."""
    middle, open_ = midpoint_radius(lax.optimization_barrier(left))
    level = z.level + middle
    total = round_up(round_up(z.total + jnp.abs(middle)) + open_)
    found = _widened(Rest(level, z.radius, total), round_up(_rounded(level), ulps=2))
    return lax.optimization_barrier((found, open_))


def opened(z: Zonotope, left: Interval, group: int) -> Zonotope:
    """Plus a number of `left`: the coordinates of `group`."""
    rest, open_ = _opened_rest(z.rest, left)
    return Zonotope(rest, {**z.parts, group: _diagonal(open_)})


_opened_rest = jax.jit(_opened)


def of_enclosure(value: Interval, group: int) -> Zonotope:
    """Anything in an enclosure: the coordinates of `group`."""
    zero = jnp.zeros_like(value.lo)
    return opened(Zonotope(Rest(zero, zero, zero), {}), value, group)


def plus(x: Zonotope, y: Zonotope) -> Zonotope:
    """The sum of two of one shape."""
    parts = dict(x.parts)
    for group, part in y.parts.items():
        parts[group] = parts[group] + part if group in parts else part
    return Zonotope(_plus_rest(x.rest, y.rest), parts)


@jax.jit
def _plus_rest(x, y):
    kind = jnp.finfo(x.level.dtype)
    total = round_up(x.total + y.total, ulps=2)
    tiny = 16 * COORDINATES * float(kind.smallest_normal)
    lost = round_up(total * (2 * gamma(2, kind.dtype)) + tiny, ulps=4)
    sums = Rest(x.level + y.level, round_up(x.radius + y.radius), total)
    return _widened(sums, lost)


# Rows ---------------------------------------------------------------------------------


def weighted(rows, z: Zonotope) -> Zonotope:
    """sum rows * v for rows [R, *shape]: a zonotope of shape [R]."""
    parts = {group: _weighted_part(rows, part) for group, part in z.parts.items()}
    return Zonotope(_weighted_rest(rows, z.rest), parts)


def _times(rows, values):
    flat = rows.reshape(rows.shape[0], -1)
    high = lax.Precision.HIGHEST
    return jnp.matmul(values.reshape(-1, flat.shape[1]), flat.T, precision=high)


_weighted_part = jax.jit(_times)


@jax.jit
def _weighted_rest(rows, z):
    kind, terms = jnp.finfo(rows.dtype), max(rows[0].size, 1)
    sizes = jnp.abs(rows)
    tiny = float(kind.smallest_normal) * 8 * COORDINATES
    flushed = tiny * (terms + sizes.reshape(len(rows), -1).sum(-1))
    flushed = round_up(flushed + 2 * float(kind.smallest_normal) * jnp.sum(z.total),
                       ulps=terms + 4)  # fmt: skip
    total = round_up(_times(sizes, z.total)[0] + flushed, ulps=terms + 4)
    radius = round_up(_times(sizes, z.radius)[0], ulps=terms + 4)
    lost = total * (2 * gamma(2 * terms + 8, kind.dtype)) + flushed
    rest = Rest(_times(rows, z.level)[0], radius, total)
    return _widened(rest, round_up(lost, ulps=4))
