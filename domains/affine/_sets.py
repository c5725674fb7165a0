"""Minimising a linear form over an input set, rigorously."""

from typing import Any

import jax.numpy as jnp

from torchlean_jax.domains.interval import Interval
from torchlean_jax.domains.interval._contraction import gamma, midpoint_radius
from torchlean_jax.domains.interval._rounding import round_up


def minimum_over(rows, box: Interval):
    """(lower bound of rows . v over v in the box, what flushing may take from it).

    rows: [R, *shape]. An unbounded v gives NaN.
    """
    return minimum(rows, *weighed(box, rows[0].size))


def weighed(box: Interval, terms: int, extra: Any = 0):
    """(middle, weights) of a box, for `minimum` over rows of so many elements.

    extra: weights >= 0, of which sum |rows| * extra is subtracted as well. With v in m
    +- r the bound is rows . m - |rows| . (r + extra); n products and sums are off by
    gamma_n of their magnitudes, which the weights pay for.
    """
    middle, radius = midpoint_radius(box)
    slack = gamma(terms + 2, middle.dtype)
    paid = radius + extra + 2 * slack * jnp.abs(middle)
    return middle, round_up(paid * (1 + 4 * slack), ulps=4)


def minimum(rows, middle, weights):
    """`minimum_over` a box that has been weighed."""
    flat = rows.reshape(rows.shape[0], -1)
    middle, weights = (
        jnp.broadcast_to(v, rows.shape[1:]).reshape(-1) for v in (middle, weights)
    )
    # products and sums, which XLA on CPU fuses: a dot would store |rows| first
    bound = (flat * middle).sum(-1) - (jnp.abs(flat) * weights).sum(-1)
    tiny = float(jnp.finfo(flat.dtype).smallest_normal)
    return bound, jnp.full_like(bound, 8 * flat.shape[1] * tiny)
