"""Where an attack starts and how it moves, for each kind of input set.

Everything here is traced and rounds as XLA does: points end up near their sets, and
`_inside` puts them in. All arrays have a leading axis over restarts.
"""

import functools
from typing import Any, NamedTuple

import jax.numpy as jnp
from jax import lax

from torchlean_jax.domains.affine._ball import Ball

_TURN = 0.618034  # its multiples are equidistributed modulo 1
_SWEEPS = 64


class Faces(NamedTuple):
    """Constraints sum_k <normals[k], x_k> >= level, rows scaled to length 1.

    normals: [m, *shape] for each input set; level: [m].
    """

    normals: list
    level: Any


def start(share, region, turn):
    """Random points; in turn 0 first the centre and two extremes.

    share: numbers in [0, 1), one for each coordinate. Every other point is extreme: a
    corner of a box, a vertex of an L1 ball, on the sphere of an L2 ball.
    """
    share = (share + _TURN * turn) % 1
    number = jnp.arange(len(share)).reshape(-1, *[1] * (share.ndim - 1))
    first = jnp.where(turn == 0, number, 3)
    if isinstance(region, Ball):
        return _start_in_ball(share, region, number % 2 == 1, first == 0)
    share = jnp.where(number % 2 == 1, jnp.round(share), share)
    share = jnp.select([first == 0, first == 1, first == 2], [0.5, 0.0, 1.0], share)
    share = share.astype(region.lo.dtype)
    # not lo + share * (hi - lo), whose width can overflow
    return into(region.lo * (1 - share) + region.hi * share, region)


def _start_in_ball(share, ball, extreme, centre):
    direction = 2 * share - 1
    if ball.norm == 1:
        longest = jnp.max(jnp.abs(direction), axis=axes(share), keepdims=True)
        direction = jnp.where(
            extreme & (jnp.abs(direction) < longest), 0, jnp.sign(direction)
        ) * jnp.where(extreme, 1, jnp.abs(direction))
    size = _size(direction, ball.norm)
    reach = jnp.where(extreme, 1, jnp.mean(share, axis=axes(share), keepdims=True))
    reach = jnp.where(centre, 0, reach) * ball.radius
    step = reach * direction / jnp.where(size == 0, 1, size)
    return into(ball.center + step.astype(ball.center.dtype), ball)


def moved(x, speed, region, size):
    """One step of `size` (1: across the whole set) against `speed`.

    In a box every coordinate moves alike; in an L2 ball the step is along `speed`; in
    an L1 ball along its largest coordinates, those within half of the longest (Tramer
    and Boneh 2019, arXiv:1904.13000, move a share of them).
    """
    if not isinstance(region, Ball):
        half = region.hi * 0.5 - region.lo * 0.5
        step = (2 * size).astype(x.dtype) * half * jnp.sign(speed)
        return into(x - step, region)
    if region.norm == 1:
        longest = jnp.max(jnp.abs(speed), axis=axes(x), keepdims=True)
        speed = jnp.where(jnp.abs(speed) < longest / 2, 0, speed)
    length = _size(speed, region.norm)
    step = 2 * size * region.radius * speed / jnp.where(length == 0, 1, length)
    return into(x - step.astype(x.dtype), region)


def into(x, region):
    """The nearest points of a set."""
    if not isinstance(region, Ball):
        return jnp.clip(x, region.lo, region.hi)
    reach = x - region.center
    size = _size(reach, region.norm)
    if region.norm == 2:
        fit = region.radius / jnp.where(size == 0, 1, size)
        nearest = reach * fit
    else:
        nearest = jnp.sign(reach) * _shrunk(jnp.abs(reach), region.radius)
    return jnp.where(size <= region.radius, x, region.center + nearest)


def _shrunk(reach, radius):
    """The projection of non-negative numbers onto those with sum `radius`: all lowered
    alike, none below 0 (Duchi et al. 2008)."""
    flat = reach.reshape(len(reach), -1)
    falling = -jnp.sort(-flat, axis=1)
    over = jnp.cumsum(falling, axis=1) - radius
    count = jnp.arange(1, flat.shape[1] + 1)
    last = jnp.sum(falling * count > over, axis=1, keepdims=True) - 1
    last = jnp.maximum(last, 0)
    lower = jnp.take_along_axis(over, last, axis=1) / (last + 1)
    return jnp.maximum(flat - lower, 0).reshape(reach.shape)


def onto(points, regions, faces: Faces | None):
    """Points brought near the constraints as well, by alternating projections."""
    if faces is None:
        return points

    def sweep(_, points):
        short = shortfall(points, faces)
        worst = jnp.argmax(short, axis=1)
        by = jnp.maximum(jnp.take_along_axis(short, worst[:, None], axis=1), 0)
        shifted = [
            x + (by.reshape(-1, *[1] * (x.ndim - 1)) * normal[worst]).astype(x.dtype)
            for x, normal in zip(points, faces.normals, strict=True)
        ]
        return [into(x, region) for x, region in zip(shifted, regions, strict=True)]

    count = min(4 * faces.level.shape[0] + 4, _SWEEPS)
    return lax.fori_loop(0, count, sweep, points)


def shortfall(points, faces: Faces):
    """How far each point is from satisfying each constraint: [restarts, m]."""
    reached = [
        jnp.tensordot(
            x.reshape(len(x), -1),
            normal.reshape(len(normal), -1),
            (1, 1),
            precision=lax.Precision.HIGHEST,
        )
        for x, normal in zip(points, faces.normals, strict=True)
    ]
    return faces.level - functools.reduce(jnp.add, reached)


def axes(x):
    return tuple(range(1, x.ndim))


def _size(x, norm):
    if norm == 1:
        return jnp.sum(jnp.abs(x), axis=axes(x), keepdims=True)
    # scaled, so that no square overflows
    most = jnp.max(jnp.abs(x), axis=axes(x), keepdims=True, initial=0)
    unit = jnp.where(most == 0, 1, most)
    return most * jnp.sqrt(jnp.sum((x / unit) ** 2, axis=axes(x), keepdims=True))
