"""Sums in an order that depends on their length alone, for platforms without a kernel.

XLA on a CPU adds up a row in another order in another batch. Here every addition is an
elementwise operation of its own, and XLA does not reorder those: element by element the
same operations happen, whatever stands beside them.
"""

import jax
import jax.numpy as jnp

from torchlean_jax.pallas_kernels._tiles import cdiv, power_of_two

# Additions in a step of the loop: the sums are then written once for so many terms.
_UNROLLED = 16


def row_sum(x):
    """The sum over the last axis: the first half plus the second, and so on."""
    n = power_of_two(x.shape[-1])
    x = jnp.pad(x, [(0, 0)] * (x.ndim - 1) + [(0, n - x.shape[-1])])
    while n > 1:
        n //= 2
        x = x[..., :n] + x[..., n:]
    return x[..., 0]


def matmul(x, weight):
    """x @ weight in float32, terms added from the first to the last."""
    depth, width = weight.shape
    steps = cdiv(depth, _UNROLLED)
    missing = steps * _UNROLLED - depth
    x = jnp.pad(x.astype(jnp.float32), [(0, 0)] * (x.ndim - 1) + [(0, missing)])
    weight = jnp.pad(weight.astype(jnp.float32), [(0, missing), (0, 0)])
    columns = jnp.moveaxis(x.reshape(*x.shape[:-1], steps, _UNROLLED), (-2, -1), (0, 1))
    rows = weight.reshape(steps, _UNROLLED, width)

    def add(total, terms):
        for column, row in zip(*terms, strict=True):
            total = total + column[..., None] * row
        return total, None

    start = jnp.zeros((*x.shape[:-1], width), jnp.float32)
    return jax.lax.scan(add, start, (columns, rows))[0]
