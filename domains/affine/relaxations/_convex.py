"""Functions that bend one way throughout: exp, log, roots, even powers, reciprocals.

A convex function lies below its chord and above its tangents. The tangent at the
midpoint of [l, u] leaves the least area between the lines (as in Zhang et al. 2018,
arXiv:1811.00866).
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import jax.numpy as jnp

from torchlean_jax.domains.affine import _points as p
from torchlean_jax.domains.affine._lines import relaxations
from torchlean_jax.domains.affine.relaxations._curve import (
    Sides,
    both,
    curve_of,
    guarded,
    lines_around,
)
from torchlean_jax.domains.affine.relaxations._slopes import declare, point_between
from torchlean_jax.domains.interval import Interval
from torchlean_jax.domains.interval import _functions as f

LN2, LOG2_E = 0.6931471805599453, 1.4426950408889634


def one_bend(curve, x, slope, convex, valid: Any = True):
    """Tangent on the inside of the bend, chord on the other; `convex` may be an
    array."""
    convex = jnp.broadcast_to(jnp.asarray(convex), x.shape)
    curved = both(convex, ~convex)
    touch = point_between(x.lo, x.hi, x.lo * 0.5 + x.hi * 0.5, slope)
    touch = jnp.broadcast_to(touch, curved.shape)
    first, last = jnp.where(curved, x.lo, touch), jnp.where(curved, x.hi, touch)
    return lines_around(curve, x, Sides(touch, first, last, ~curved), valid)


@dataclass(frozen=True)
class Bend:
    """A function that is convex, or concave, where lo > least (>= least if
    `closed`)."""

    value: Callable
    slope: Callable
    convex: bool
    least: float = -jnp.inf
    closed: bool = False


BENDS = {
    "exp": Bend(f.exp_bounds, lambda x, y: y, True),
    "exp2": Bend(f.exp2_bounds, lambda x, y: p.scaled(y, LN2), True),
    "expm1": Bend(f.expm1_bounds, lambda x, y: p.one_plus(y), True),
    "call:softplus": Bend(
        f.softplus_bounds, lambda x, y: Interval(*f.logistic_bounds(x)), True
    ),
    "cosh": Bend(f.cosh_bounds, lambda x, y: Interval(*f.sinh_bounds(x)), True),
    "log": Bend(f.log_bounds, lambda x, y: p.inverse(p.at(x)), False, 0.0),
    "log2": Bend(
        f.log2_bounds, lambda x, y: p.scaled(p.inverse(p.at(x)), LOG2_E), False, 0.0
    ),
    "log1p": Bend(
        f.log1p_bounds,
        lambda x, y: p.inverse(p.one_plus(p.at(x))),
        False,
        -1.0,
    ),
    "sqrt": Bend(
        f.sqrt_bounds, lambda x, y: p.scaled(p.inverse(y), 0.5), False, 0.0, closed=True
    ),
    "rsqrt": Bend(
        f.rsqrt_bounds,
        lambda x, y: p.scaled(p.times_positive(p.square(y), y), -0.5),
        True,
        0.0,
    ),
    "acosh": Bend(
        f.acosh_bounds,
        lambda x, y: p.inverse(p.root(p.negate(p.one_minus(p.square(p.at(x)))))),
        False,
        1.0,
        closed=True,
    ),
}
declare(2, *BENDS)


def _rule(bend):
    curve = curve_of(bend.value, bend.slope)
    safe = bend.least + 1.0 if math.isfinite(bend.least) else 0.0

    def rule(operation, x, slope=None):
        valid = x.lo >= bend.least if bend.closed else x.lo > bend.least
        x, valid = guarded(x, valid, safe)
        return one_bend(curve, x, slope, bend.convex, valid)

    return rule


for _name, _bend in BENDS.items():
    relaxations.define_op(_name)(_rule(_bend))
