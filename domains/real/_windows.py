"""Where the elements of sliding windows come from: the geometry of pools and convs.

Positions only; what is done with the elements is in `_pool.py` and `_contraction.py`.
"""

import math

import numpy as np

PADDING = -1


def positions(shape, window, strides, padding, base_dilation, window_dilation):
    """[*windows, *window]: the flat position of each element, -1 where it is padding.

    Along an axis element k of window o stands at o stride + k dilation - padding of
    the input whose elements are `base_dilation` apart.
    """
    rank = len(shape)
    flat, inside = np.zeros((1,) * (2 * rank), int), np.ones((1,) * (2 * rank), bool)
    for axis in range(rank):
        n, base, (before, after) = shape[axis], base_dilation[axis], padding[axis]
        spread = (n - 1) * base + 1 if n else 0
        reach = (window[axis] - 1) * window_dilation[axis] + 1
        count = max((spread + before + after - reach) // strides[axis] + 1, 0)
        starts = np.arange(count) * strides[axis] - before
        steps = np.arange(window[axis]) * window_dilation[axis]
        place = starts[:, None] + steps
        here = (place >= 0) & (place < spread) & (place % base == 0)
        aligned = [1] * (2 * rank)
        aligned[axis], aligned[rank + axis] = place.shape
        weight = math.prod(shape[axis + 1 :])
        flat = flat + (place // base * weight).reshape(aligned)
        inside = inside & here.reshape(aligned)
    return np.where(inside, flat, PADDING)
