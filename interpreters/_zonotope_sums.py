"""Sums of zonotopes: affine equations, sums with slopes, and rows of weights.

The coefficients of a result are those of its operands, weighted; what rounding and
flushing may have done to them is in its radius.
"""

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax

from torchlean_jax.domains.interval import Interval
from torchlean_jax.domains.interval._contraction import gamma, midpoint_radius
from torchlean_jax.domains.interval._rounding import round_up
from torchlean_jax.interpreters import _linear_images
from torchlean_jax.interpreters._zonotopes import Rest, Zonotope, diagonal

# More coordinates than memory holds: what flushing takes is paid for so many, so that
# the programs do not depend on how many there are.
COORDINATES = 2**24

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
    return Zonotope(rest, {**parts, group: diagonal(open_)})


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
    return Zonotope(rest, {**z.parts, group: diagonal(open_)})


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
