"""Where a line from an end of an S-shaped function touches its other half.

For phi convex on [-reach, 0] and odd, the line from (u, phi(u)) that touches phi at
-T(u) solves phi(-T) + phi'(T) (u + T) = phi(u). T depends on u alone, so it is
tabulated once per function (as T / u over log u, which is smooth, and constant for
powers). Its error only costs
tightness: what makes a line a bound is its offset.
"""

import functools

import jax.numpy as jnp
import numpy as np

_KNOTS = 1024


def solve_increasing(function, low, high, steps=60):
    """The root of an elementwise increasing function between `low` and `high`, by
    bisection."""
    low, high = np.array(low, float), np.array(high, float)
    for _ in range(steps):
        middle = 0.5 * (low + high)
        above = function(middle) > 0
        high, low = np.where(above, middle, high), np.where(above, low, middle)
    return 0.5 * (low + high)


@functools.cache
def _odd_table(phi, slope, least, most):
    """(log of the first knot, step, T / u at the knots)."""
    knots = np.geomspace(least, most, _KNOTS)

    def gap(d):  # of the tangent at d <= 0 over the end, increasing in d
        return phi(d) + slope(d) * (knots - d) - phi(knots)

    with np.errstate(all="ignore"):
        touching = -solve_increasing(gap, -knots, np.zeros_like(knots))
    start = np.log(least)
    return start, (np.log(most) - start) / (_KNOTS - 1), touching / knots


def touching(u, phi, slope, least=2.0**-10, most=2.0**20):
    """T(u) for u > 0; beyond the knots the ratio of the nearest one."""
    start, step, ratios = _odd_table(phi, slope, least, most)
    return u * interpolate((jnp.log(jnp.maximum(u, least / 2)) - start) / step, ratios)


def interpolate(place, table):
    """`table` (a NumPy array) at a real index, linearly, clipped to its ends."""
    table = jnp.asarray(table, place.dtype)
    place = jnp.clip(place, 0, table.shape[0] - 1)
    below = jnp.minimum(place.astype(jnp.int32), table.shape[0] - 2)
    share = place - below
    return table[below] * (1 - share) + table[below + 1] * share
