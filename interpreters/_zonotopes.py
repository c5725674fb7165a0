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
does not depend on the number of coordinates. Sums of zonotopes are in `_zonotope_sums`,
what the steps of a graph make of them in `_zonotope_steps`.

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
    return Zonotope(rest, {group: diagonal(radius)})


@jax.jit
def constant(x: Interval) -> Rest:
    """An enclosure whose place in it is nobody's coordinate."""
    level, radius = midpoint_radius(lax.optimization_barrier(x))
    return Rest(level, radius, round_up(jnp.abs(level) + radius))


@jax.jit
def diagonal(radius):
    """A coordinate for each element. Small groups are filled up with coordinates that
    nothing depends on: a program is compiled for each number of them."""
    flat = jnp.diag(radius.reshape(-1))
    if radius.size < LARGE:
        size = max(FEWEST, 1 << (radius.size - 1).bit_length())
        flat = jnp.pad(flat, ((0, size - radius.size), (0, 0)))
    return flat.reshape(-1, *radius.shape)


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
