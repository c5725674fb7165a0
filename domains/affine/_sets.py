"""Minimising a linear form over an input set, rigorously."""

import jax.numpy as jnp
from jax import lax

from torchlean_jax.domains.interval import Interval
from torchlean_jax.domains.interval._contraction import gamma


def minimise(rows, input_set):
    """(computed minimum of rows . x over the set, bound on the error of that number).

    rows: [R, *shape]. A box is minimised at a corner, coordinate by coordinate.
    """
    return _over_box(rows, input_set)


def _over_box(rows, box: Interval):
    flat = rows.reshape(rows.shape[0], -1)
    lo, hi = box.lo.reshape(-1), box.hi.reshape(-1)
    high = lax.Precision.HIGHEST
    total = jnp.dot(jnp.maximum(flat, 0), lo, precision=high) + jnp.dot(
        jnp.minimum(flat, 0), hi, precision=high
    )
    size = jnp.dot(jnp.abs(flat), jnp.maximum(jnp.abs(lo), jnp.abs(hi)), precision=high)
    tiny = float(jnp.finfo(flat.dtype).smallest_normal)
    return total, size * (4 * gamma(flat.shape[1], flat.dtype)) + 4 * flat.shape[
        1
    ] * tiny
