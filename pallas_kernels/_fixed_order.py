"""Sums in an order that depends on their length alone, for platforms without a kernel.

XLA on a CPU adds up a row in another order in another batch. Here every addition is an
elementwise operation of its own, and XLA does not reorder those. It may fuse a product
into the addition behind it. So no two products are ever added to each other, where it
could fuse either: in `a * b + c * d` it took the one in a batch of 1 and the other in a
batch of 5. A product is added to what the last step of a loop left, and there are two
steps at least, since a loop of one step is none.

`exp` is one of these operations, too: XLA's own has other bits for the same number in
another lane.
"""

import math

import jax
import jax.numpy as jnp

from torchlean_jax.pallas_kernels._tiles import cdiv

# Additions in a step of the loop: the sums are then written once for so many terms.
_UNROLLED = 16
_LANES = 16


def sum_of_squares(x):
    """The sum over the last axis of x**2: for each of 16 lanes, then by halves."""
    steps = _steps(x.shape[-1], _LANES)
    terms = jnp.moveaxis(_padded(x, steps * _LANES, _LANES), -2, 0)
    start = jnp.zeros(terms.shape[1:], jnp.float32)
    total, _ = jax.lax.scan(lambda total, x: (total + x * x, None), start, terms)
    while (lanes := total.shape[-1]) > 1:
        total = total[..., : lanes // 2] + total[..., lanes // 2 :]
    return total[..., 0]


def matmul(x, weight):
    """x @ weight in float32, terms added from the first to the last.

    x: [..., k]; weight: [k, n], or [..., k, n], one for each matrix [..., m, k]."""
    depth = weight.shape[-2]
    steps = _steps(depth, _UNROLLED)
    columns = _padded(x, steps * _UNROLLED, _UNROLLED)
    columns = jnp.moveaxis(columns, (-2, -1), (0, 1))[..., None]
    rows = _padded(weight.swapaxes(-1, -2), steps * _UNROLLED, _UNROLLED)
    rows = jnp.moveaxis(rows, (-2, -1), (0, 1))
    if weight.ndim > 2:
        rows = rows[..., None, :]

    def add(total, terms):
        for column, row in zip(*terms, strict=True):
            total = total + column * row
        return total, None

    start = jnp.zeros((*x.shape[:-1], weight.shape[-1]), jnp.float32)
    return jax.lax.scan(add, start, (columns, rows))[0]


def total(x):
    """The sum over the last axis, from the first to the last."""
    return matmul(x, jnp.ones((x.shape[-1], 1), jnp.float32))[..., 0]


# ln 2 in two parts; the first has 15 bits, so that its products with the exponents of
# float32 are exact, and so is their difference from x: both are multiples of 2**-15.
_LN2_HIGH = round(math.log(2) * 2**15) / 2**15
_LN2_LOW = math.log(2) - _LN2_HIGH
_LEAST = -87.3  # exp of it is above the smallest normal number


def exp(x):
    """exp(x) for float32 x <= 0, within 2 ulp; 0 below -87.3, NaN for NaN.

    With x = k ln 2 + r, 2**k times the Taylor polynomial of degree 7, whose remainder
    for |r| <= 0.35 is below 2**-27 of it."""
    clipped = jnp.maximum(x, _LEAST)
    k = jnp.round(clipped * (1 / math.log(2)))
    r = (clipped - k * _LN2_HIGH) - k * _LN2_LOW
    y = jnp.full_like(r, 1 / math.factorial(7))
    for n in reversed(range(7)):
        y = y * r + 1 / math.factorial(n)
    power = jax.lax.bitcast_convert_type((k.astype(jnp.int32) + 127) << 23, jnp.float32)
    # exact, so that it matters to no bit whether a sum behind it is fused with it
    return jnp.where(x < _LEAST, 0.0, y * power)


def _steps(length: int, of: int) -> int:
    return max(2, cdiv(length, of))


def _padded(x, length: int, group: int):
    """The last axis in float32, with zeros up to `length`, in groups."""
    missing = [(0, 0)] * (x.ndim - 1) + [(0, length - x.shape[-1])]
    return jnp.pad(x.astype(jnp.float32), missing).reshape(*x.shape[:-1], -1, group)
