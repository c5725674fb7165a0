"""Linear constraints among the inputs, subtracted from the target of a backward pass.

For every l >= 0 and every x with A x >= b, a target T is at least T - l (A x - b). A
lower bound of that over the whole input set is a lower bound of T where the constraints
hold. Any l is sound; `torchlean_jax.search` looks for good ones.
"""

from typing import Any, NamedTuple

import jax.numpy as jnp
from jax import lax

from torchlean_jax.domains.interval._arithmetic import magnitude
from torchlean_jax.domains.interval._contraction import gamma
from torchlean_jax.domains.interval._rounding import round_up
from torchlean_jax.interpreters._steps import accumulate, add


class Multiplied(NamedTuple):
    """Constraints sum_k <normals[k], x_k> >= bounds, and their multipliers by row.

    multipliers: [R, m], none negative; normals: [m, *shape] for each input set, in the
    order of the inputs; bounds: [m].
    """

    multipliers: Any
    normals: list
    bounds: Any


def subtract(taken: Multiplied, numbers, values, start, offset, error):
    """(offset, error) of the target less its multiples; `start` gets the rows.

    numbers: of the input sets. start, offset, error: as for `lower_bounds`.
    """
    weights = taken.multipliers
    many, kind = taken.bounds.shape[0], jnp.finfo(weights.dtype)
    slack, tiny = 2 * gamma(many, weights.dtype), float(kind.smallest_normal)
    level, reach = (_product(weights, b) for b in (taken.bounds, abs(taken.bounds)))
    offset, error = add(offset, level, error + round_up(reach * slack, ulps=4))
    flushed = 4 * many * tiny * (1 + weights.sum(-1))
    error = error + flushed
    for number, normals in zip(numbers, taken.normals, strict=True):
        size = magnitude(values[number])
        rows = -_product(weights, normals)
        # |rows| itself may have cancelled, so the error comes from |normals|
        lost = _product(weights, _product_with(jnp.abs(normals), size))
        error = error + round_up(lost * slack, ulps=4) + flushed * (1 + jnp.sum(size))
        error = error + accumulate(start, number, rows, size)
    return offset, error


def _product(weights, array):
    """sum_m weights[:, m] * array[m]."""
    return jnp.tensordot(weights, array, 1, precision=lax.Precision.HIGHEST)


def _product_with(normals, size):
    """sum of normals[m] * size over the axes of an input, rounded up."""
    flat = normals.reshape(normals.shape[0], -1)
    total = (flat * size.reshape(-1)).sum(-1)
    slack = 2 * gamma(flat.shape[1] + 2, flat.dtype)
    return round_up(total * (1 + slack), ulps=4)
