"""The quantised rule for curves: any function of one element, read from a table.

A value of b bits takes 2**b values, so a function of it is as many integers, each
rounded once, from the real number to the grid of the result. What runs is a `gather`.
"""

import jax.numpy as jnp
import numpy as np
from jax import lax

from torchlean_jax.domains._errors import InputError
from torchlean_jax.domains.quantized._value import Quantized, narrow, rules

_READ = lax.GatherDimensionNumbers(
    offset_dims=(), collapsed_slice_dims=(0,), start_index_map=(0,)
)


@rules.define_op("curve")
def _looked_up(function, x):
    """`function(x)` on the grid of `function.span`, in 8 bits (or fewer), saturating.

    function: of float64 arrays. Where it is not defined (NaN: log at -1) the entry is
    that of the nearest grid point at which it is.
    """
    x = narrow(x)
    first, last = x.scheme.limits
    places = np.arange(first, last + 1)
    values = _defined(function(float(np.ravel(x.scale)[0]) * (places - x.zero_point)))
    scale, zero = x.scheme.grid(function.span)
    table = np.clip(np.rint(values / scale) + zero, first, last).astype(np.int8)
    integers = entry(table, x.integers.astype(jnp.int32) - np.int32(first))
    begin, end = x.zero_point - first + np.array([x.least, x.most])
    taken = table[max(begin, 0) : end + 1].astype(int) - zero
    least, most = int(taken.min()), int(taken.max())
    return Quantized(integers, np.float64(scale), zero, least, most, x.scheme)


def entry(table, indices):
    """table[indices], for indices that are never outside."""
    return lax.gather(
        table,
        indices[..., None],
        _READ,
        slice_sizes=(1,),
        mode=lax.GatherScatterMode.PROMISE_IN_BOUNDS,
    )


def _defined(values):
    places = np.flatnonzero(~np.isnan(values))
    if not places.size:
        raise InputError("a function is not defined anywhere on the grid of its input")
    everywhere = np.arange(values.size)
    return values[places[np.abs(everywhere[:, None] - places).argmin(1)]]
