"""Functions with one inflection: tanh, logistic, erf, atan, cbrt, sinh, odd powers.

Left of the inflection such a function is convex (or concave), right of it the other
way. The best lower line supports the convex envelope at the midpoint: a tangent on the
convex part, no nearer to the inflection than where the line through the far end touches
it, or the chord.
"""

import functools
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import jax.numpy as jnp
import numpy as np

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
from torchlean_jax.domains.affine.relaxations._touching import touching
from torchlean_jax.domains.interval import Interval
from torchlean_jax.domains.interval import _functions as f


def one_inflection(
    curve,
    x,
    slope,
    touch,
    *,
    convex_left,
    centre=0.0,
    blur: Any = 0.0,
    valid: Any = True,
):
    """Lines around a curve that changes its bend at `centre`.

    touch(u): distance from `centre` to where a line from the point at distance u
    touches the other part. convex_left: whether the part left of `centre` is the convex
    one (array or bool).
    blur: the true inflection is within `blur` of `centre`, and |f''(y)| <= |y -
    inflection|: on the 2 blur between them a function loses at most 4 blur**3 to a
    tangent that it should exceed.
    """
    convex_left = jnp.broadcast_to(jnp.asarray(convex_left), x.shape)
    on_left = both(convex_left, ~convex_left)
    sign = jnp.where(on_left, 1, -1).astype(x.dtype)
    # the part that bends the right way, from its far end to the touching point
    far, end = jnp.where(on_left, x.lo, x.hi), jnp.where(on_left, x.hi, x.lo)
    other = sign * (end - centre)
    nearest = jnp.where(other > 0, -touch(jnp.maximum(other, 0)), other)
    nearest = centre + sign * jnp.minimum(nearest, -blur)
    chord = sign * (nearest - far) <= 0
    nearest = jnp.where(chord, far, nearest)
    low, high = jnp.where(on_left, far, nearest), jnp.where(on_left, nearest, far)
    at = point_between(low, high, x.lo * 0.5 + x.hi * 0.5, slope)
    edge = jnp.where(
        on_left, jnp.minimum(x.hi, centre + blur), jnp.maximum(x.lo, centre - blur)
    )
    edge = jnp.where(sign * (edge - far) <= 0, far, edge)
    first, last = jnp.where(on_left, far, edge), jnp.where(on_left, edge, far)
    sides = Sides(at, first, last, chord, 4 * blur * blur * blur)
    return lines_around(curve, x, sides, valid)


@dataclass(frozen=True)
class SShape:
    """A function with its inflection at 0 that is odd, up to a constant.

    `odd`, `odd_slope`: with that constant removed and the sign chosen so that it is
    convex left of 0, in NumPy, for the table. reach: the domain is |x| < reach (<= if
    `closed`).
    """

    value: Callable
    slope: Callable
    convex_left: bool
    odd: Callable
    odd_slope: Callable
    reach: float = np.inf
    closed: bool = False


def _tanh_slope(x, y):
    return p.one_minus(p.square(y))


def _bell(x, y=None):
    """2 / sqrt(pi) exp(-x**2), the derivative of erf."""
    return p.scaled(p.exp(p.negate(p.square(p.at(x)))), 1.1283791670955126)


def _one_plus_square(x):
    return p.one_plus(p.square(p.at(x)))


def _one_minus_square(x):
    return p.one_minus(p.square(p.at(x)))


S_SHAPES = {
    "tanh": SShape(
        f.tanh_bounds, _tanh_slope, True, np.tanh, lambda y: 1 - np.tanh(y) ** 2
    ),
    "logistic": SShape(
        f.logistic_bounds,
        lambda x, y: p.times_positive(y, p.one_minus(y)),
        True,
        lambda y: np.tanh(y / 2) / 2,
        lambda y: (1 - np.tanh(y / 2) ** 2) / 4,
    ),
    "erf": SShape(
        f.erf_bounds,
        _bell,
        True,
        np.vectorize(math.erf),
        lambda y: 2 / math.sqrt(math.pi) * np.exp(-(y**2)),
    ),
    "erfc": SShape(
        f.erfc_bounds,
        lambda x, y: p.negate(_bell(x)),
        False,
        np.vectorize(math.erf),
        lambda y: 2 / math.sqrt(math.pi) * np.exp(-(y**2)),
    ),
    "atan": SShape(
        f.atan_bounds,
        lambda x, y: p.inverse(_one_plus_square(x)),
        True,
        np.arctan,
        lambda y: 1 / (1 + y**2),
    ),
    "asinh": SShape(
        f.asinh_bounds,
        lambda x, y: p.inverse(p.root(_one_plus_square(x))),
        True,
        np.arcsinh,
        lambda y: 1 / np.sqrt(1 + y**2),
    ),
    "cbrt": SShape(
        f.cbrt_bounds,
        lambda x, y: p.inverse(p.scaled(p.square(y), 3.0)),
        True,
        np.cbrt,
        lambda y: np.cbrt(y) ** -2 / 3,
    ),
    "sinh": SShape(
        f.sinh_bounds,
        lambda x, y: Interval(*f.cosh_bounds(x)),
        False,
        lambda y: -np.sinh(y),
        lambda y: -np.cosh(y),
        reach=700.0,
    ),
    "asin": SShape(
        f.asin_bounds,
        lambda x, y: p.inverse(p.root(_one_minus_square(x))),
        False,
        lambda y: -np.arcsin(y),
        lambda y: -1 / np.sqrt(1 - y**2),
        reach=1.0,
        closed=True,
    ),
    "acos": SShape(
        f.acos_bounds,
        lambda x, y: p.negate(p.inverse(p.root(_one_minus_square(x)))),
        True,
        lambda y: -np.arcsin(y),
        lambda y: -1 / np.sqrt(1 - y**2),
        reach=1.0,
        closed=True,
    ),
    "atanh": SShape(
        f.atanh_bounds,
        lambda x, y: p.inverse(_one_minus_square(x)),
        False,
        lambda y: -np.arctanh(y),
        lambda y: -1 / (1 - y**2),
        reach=1.0,
    ),
    "tan": SShape(
        f.tan_bounds,
        lambda x, y: p.one_plus(p.square(y)),
        False,
        lambda y: -np.tan(y),
        lambda y: -1 - np.tan(y) ** 2,
        reach=1.5707,  # below pi / 2; other branches of tan are left to intervals
    ),
}
declare(2, *S_SHAPES)


def _rule(shape):
    curve = curve_of(shape.value, shape.slope)
    most = min(shape.reach * (1 - 2.0**-20), 2.0**20)
    touch = functools.partial(touching, phi=shape.odd, slope=shape.odd_slope, most=most)

    def rule(operation, x, slope=None):
        far = jnp.maximum(-x.lo, x.hi)
        x, valid = guarded(
            x, far <= shape.reach if shape.closed else far < shape.reach, 0.0
        )
        return one_inflection(
            curve, x, slope, touch, convex_left=shape.convex_left, valid=valid
        )

    return rule


for _name, _shape in S_SHAPES.items():
    relaxations.define_op(_name)(_rule(_shape))
