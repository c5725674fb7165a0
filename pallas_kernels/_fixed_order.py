"""Sums in an order that depends on their length alone, for platforms without a kernel.

XLA on a CPU adds up a row in another order in another batch. Here every addition is an
elementwise operation of its own, and XLA does not reorder those. It may fuse a product
into the addition behind it. So no two products are ever added to each other, where it
could fuse either: in `a * b + c * d` it took the one in a batch of 1 and the other in a
batch of 5. A product is added to what the last step of a loop left, and there are two
steps at least, since a loop of one step is none.
"""

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
    """x @ weight in float32, terms added from the first to the last."""
    depth, width = weight.shape
    steps = _steps(depth, _UNROLLED)
    columns = _padded(x, steps * _UNROLLED, _UNROLLED)
    columns = jnp.moveaxis(columns, (-2, -1), (0, 1))
    rows = _padded(weight.T, steps * _UNROLLED, _UNROLLED)
    rows = jnp.moveaxis(rows, (-2, -1), (0, 1))

    def add(total, terms):
        for column, row in zip(*terms, strict=True):
            total = total + column[..., None] * row
        return total, None

    start = jnp.zeros((*x.shape[:-1], width), jnp.float32)
    return jax.lax.scan(add, start, (columns, rows))[0]


def _steps(length: int, of: int) -> int:
    return max(2, cdiv(length, of))


def _padded(x, length: int, group: int):
    """The last axis in float32, with zeros up to `length`, in groups."""
    missing = [(0, 0)] * (x.ndim - 1) + [(0, length - x.shape[-1])]
    return jnp.pad(x.astype(jnp.float32), missing).reshape(*x.shape[:-1], -1, group)
