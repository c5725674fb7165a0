"""Pooling: extremes and means over windows, and over everything."""

import jax.numpy as jnp
import numpy as np
from jax import lax

from torchlean_jax.domains._errors import FileFormatError
from torchlean_jax.onnx._operators import define, flag, is_floating
from torchlean_jax.onnx._windows import paddings, per_axis, rounded_up, window_counts


def _windows(node, x):
    """(kernel, strides, dilations, padding as declared, padding as used)."""
    kernel = node.integers("kernel_shape")
    if not kernel or len(kernel) != x.ndim - 2 or min(kernel) < 1:
        raise FileFormatError(f"kernel_shape {kernel} for {x.ndim - 2} spatial axes")
    strides = per_axis(node, "strides", len(kernel))
    dilations = per_axis(node, "dilations", len(kernel))
    declared = paddings(node, x.shape[2:], kernel, strides, dilations)
    used = declared
    if flag(node, "ceil_mode", 0):
        used = rounded_up(x.shape[2:], kernel, strides, dilations, declared)
    return kernel, strides, dilations, declared, used


def _slide(x, start, combine, kernel, strides, dilations, pads):
    return lax.reduce_window(
        x,
        start,
        combine,
        (1, 1, *kernel),
        (1, 1, *strides),
        [(0, 0), (0, 0), *pads],
        window_dilation=(1, 1, *dilations),
    )


@define("MaxPool", "1 8 10 11 12 22")
def _max_pool(node, x):
    node.ignore("storage_order")  # of the second result, which is not computed
    kernel, strides, dilations, _, pads = _windows(node, x)
    least = -jnp.inf if is_floating(x) else jnp.iinfo(x.dtype).min
    start = np.asarray(least, x.dtype)
    return _slide(x, start, lax.max, kernel, strides, dilations, pads)


@define("AveragePool", "1 7 10 11 19 22")
def _average_pool(node, x):
    kernel, strides, dilations, declared, pads = _windows(node, x)
    total = _slide(x, np.zeros((), x.dtype), lax.add, kernel, strides, dilations, pads)
    # what ceil_mode added is never counted
    counted = declared if flag(node, "count_include_pad", 0) else [(0, 0)] * len(kernel)
    counts = window_counts(x.shape[2:], kernel, strides, dilations, pads, counted)
    if counts.min() == counts.max():
        return total / counts.flat[0].item()
    return total / np.asarray(counts, x.dtype)


@define("GlobalAveragePool GlobalMaxPool", "1 22")
def _global(node, x):
    axes = tuple(range(2, x.ndim))
    pool = jnp.mean if node.op_type == "GlobalAveragePool" else jnp.max
    return pool(x, axis=axes, keepdims=True)
