"""Quantised rules for sums along axes and windows: exact, in int32."""

import numpy as np

from torchlean_jax.domains.quantized._value import aligned, narrow, on_grid, rules

_SUMMED = 2**28  # what a sum may reach before its terms are made coarser


@rules.define_op("reduce_sum", "cumsum", "reduce_window_sum")
def _sum(operation, x):
    (x,) = aligned(x if x.is_uniform else narrow(x))
    terms = _terms(operation, x.shape)
    if x.reach * terms > _SUMMED:
        x = on_grid(x, float(x.scale) * x.reach * terms / _SUMMED)
    # a window may lie in part on the border, where nothing is added
    least, most = terms * min(x.least, 0), terms * max(x.most, 0)
    return x.wide(operation(x.integers), None, least, most)


def _terms(operation, shape):
    params = operation.params
    if operation.name == "reduce_sum":
        counts = [shape[a] for a in params["axes"]]
    elif operation.name == "cumsum":
        counts = [shape[params["axis"]]]
    else:
        counts = params["window_dimensions"]
    return max(int(np.prod(counts, dtype=np.int64)), 1)
