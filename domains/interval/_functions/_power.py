"""Enclosures of x**y for x >= 0, at points and over boxes.

exp(y log x), with log x and the product as pairs: a relative error of the product is
magnified by |y log x|, up to 100 (binary64: 740) before the result overflows.
"""

import jax.numpy as jnp

from torchlean_jax.domains.interval._functions._exp import RANGE, exp_pair, scale
from torchlean_jax.domains.interval._functions._log import is_zero, log_array
from torchlean_jax.domains.interval._functions._pair import Pair, bits_of
from torchlean_jax.domains.interval._functions._table import (
    Bounds,
    Points,
    differentiable,
    table,
    widen,
)

# log x is 0 or at least 2**-25 (2**-54): a larger |y| overflows or underflows all the
# same.
_LARGEST_EXPONENT = {"float32": 2.0**40, "float64": 2.0**80}


def exponent(y, logarithm):
    """y log x as a pair with a small low part, for pairs."""
    return logarithm.times(y).tidy()


@differentiable(jnp.power)
def pow_bounds(x: Points, y: Points) -> Bounds:
    """`(lo, hi)` with lo <= x**y <= hi for x >= 0, and 0**0 = 1; NaN for negative x.

    A negative x with an integer y is an `integer_pow`, which is arithmetic.
    """
    t = table(x.dtype)
    largest = _LARGEST_EXPONENT[x.dtype.name]
    product = exponent(Pair.of(jnp.clip(y, -largest, largest)), log_array(x))
    in_range = jnp.abs(product.h) <= RANGE[x.dtype.name][1] + 50
    units = t.error["pow"] + t.error["pow_exponent"] * jnp.where(
        in_range, jnp.abs(product.h), 0.0
    )
    pair, k = exp_pair(product.h, jnp.where(in_range, product.l, 0.0))
    value = scale(pair.value(), k)
    grows = (x > 1) == (y > 0)
    at_edge = is_zero(x) | jnp.isinf(x) | jnp.isinf(y)
    value = jnp.where(at_edge, jnp.where(grows, jnp.inf, 0.0), value)
    value = jnp.where(is_zero(y) | (x == 1), 1.0, value)
    undefined = (bits_of(x) < 0) & ~is_zero(x) | jnp.isnan(x) | jnp.isnan(y)
    return widen(jnp.where(undefined, jnp.nan, value), units, floor=0.0)


def pow_interval(x_lo: Points, x_hi: Points, y_lo: Points, y_hi: Points) -> Bounds:
    """`(low, high)` that contain x**y over a box with x >= 0.

    x**y is monotone in each variable while the other is fixed, so it is extreme at
    corners.
    """
    corners = [pow_bounds(x, y) for x in (x_lo, x_hi) for y in (y_lo, y_hi)]
    lows, highs = zip(*corners, strict=True)
    low = jnp.stack(jnp.broadcast_arrays(*lows)).min(axis=0)
    return low, jnp.stack(jnp.broadcast_arrays(*highs)).max(axis=0)
