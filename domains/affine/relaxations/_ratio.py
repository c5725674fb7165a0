"""Quotients with a divisor that depends on the input.

x / y = x r with r = 1 / y. With x = xm + dx and r = rm + dr,

    x r  =  xm r + rm x - xm rm + dx dr,        |dx dr| <= xr rr

(the mean of the McCormick planes on either side), and r lies between the lines of the
reciprocal.
"""

import jax.numpy as jnp

from torchlean_jax.domains.affine import _points as p
from torchlean_jax.domains.affine._lines import Lines, relaxations
from torchlean_jax.domains.affine.relaxations._powers import reciprocal_power
from torchlean_jax.domains.affine.relaxations._slopes import declare
from torchlean_jax.domains.interval import Interval
from torchlean_jax.domains.interval._arithmetic import magnitude
from torchlean_jax.domains.interval._contraction import midpoint_radius
from torchlean_jax.domains.interval._rounding import round_down, round_up

declare(2, "div")


@relaxations.define_op("div")
def _div(operation, x, y, slope=None):
    has_x = isinstance(x, Interval)
    x, y = Interval.lift(x), Interval.lift(y)
    shape = jnp.broadcast_shapes(x.shape, y.shape)
    x, y = (
        Interval(*(jnp.broadcast_to(e, shape) for e in (v.lo, v.hi))) for v in (x, y)
    )
    curve = reciprocal_power(y, -1, slope)
    usable = jnp.isfinite(curve.lower_offset) & jnp.isfinite(x.lo) & jnp.isfinite(x.hi)
    x, y = (
        Interval(*(jnp.where(usable, e, safe) for e in (v.lo, v.hi)))
        for v, safe in ((x, 0), (y, 1))
    )
    lower, upper = _around(x, y, curve, has_x)
    nothing = jnp.where(usable, 0, jnp.inf).astype(x.dtype)
    kept = [jnp.where(usable, part, 0) for part in (*lower, *upper)]
    a, b, below, c, d, above = kept
    return Lines(
        (a if has_x else None, b),
        below - nothing,
        (c if has_x else None, d),
        above + nothing,
    )


def _around(x, y, curve, has_x):
    """(slope of x, slope of y, offset) below and above; x is a point unless `has_x`."""
    (xm, xr), reciprocal = midpoint_radius(x), p.inverse(y)
    rm, rr = midpoint_radius(reciprocal)
    if not has_x:  # without a slope for x, x r = xm r + dx r
        rm, rr = jnp.zeros_like(rm), magnitude(reciprocal)
    centre = p.times(xm, p.at(rm))
    spread = round_up(xr * rr)
    low, high = curve.lower[0], curve.upper[0]
    below, above = curve.lower_offset, curve.upper_offset
    positive = xm >= 0
    under = jnp.where(positive, low, high), jnp.where(positive, below, above)
    over = jnp.where(positive, high, low), jnp.where(positive, above, below)
    size = magnitude(y)

    def part(line):
        slope, offset = line
        tilt = xm * slope
        kind = jnp.finfo(tilt.dtype)
        # what rounding `tilt` may cost, times y
        lost = round_up(
            (jnp.abs(tilt) * float(kind.eps) + 2 * kind.smallest_normal) * size
        )
        rest = p.minus(p.times(xm, p.at(offset)), centre)
        slack = round_up(lost + spread)
        return tilt, round_down(rest.lo - slack), round_up(rest.hi + slack)

    (b, below, _), (d, _, above) = part(under), part(over)
    return (rm, b, below), (rm, d, above)
