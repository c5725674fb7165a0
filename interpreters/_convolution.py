"""The transposed convolution as one matrix product.

XLA on CPU runs a transposed convolution in float64 as nested loops over an operand that
striding has filled with zeros. As matrix products the crown pass over 16 images of a
small CIFAR network (oval21's cifar_base_kw) took 146 ms where it had taken 458 (two
Xeon cores, jax 0.10.2). Splitting the kernel by the remainder of its taps modulo the
stride (sub-pixel convolution, Shi et al. 2016, arXiv:1609.05158) removes the zeros.
"""

import itertools

import jax.numpy as jnp
import numpy as np
from jax import lax


def is_plain(params) -> bool:
    """Whether a convolution has neither groups nor holes."""
    groups = params["feature_group_count"], params["batch_group_count"]
    dilation = *params["lhs_dilation"], *params["rhs_dilation"]
    return groups == (1, 1) and all(d == 1 for d in dilation)


def transpose(params, shape, kernel, rows):
    """Coefficients [R, *shape] on the operand, for rows [R, *result] of a plain
    convolution with `kernel`."""
    x_spec, w_spec, y_spec = params["dimension_numbers"]
    strides, padding = params["window_strides"], params["padding"]
    count = rows.shape[0]
    rows = jnp.transpose(rows, (0, *(axis + 1 for axis in y_spec)))
    rows = rows.reshape(-1, *rows.shape[2:])  # [R * batch, out, *windows]
    kernel = jnp.transpose(kernel, w_spec)  # [out, in, *taps]
    sizes = [shape[axis] for axis in x_spec[2:]]
    taps = [-(-k // s) for k, s in zip(kernel.shape[2:], strides, strict=True)]
    # how many strides the padded operand spans
    spans = [
        -(-(n + lo + hi) // s)
        for n, (lo, hi), s in zip(sizes, padding, strides, strict=True)
    ]
    shifted = _shifted(rows, taps, spans)
    phases = _phases(kernel, taps, strides)
    split = lax.dot_general(
        phases,
        shifted,
        (((0, 1), (0, 1)), ((), ())),
        precision=lax.Precision.HIGHEST,
        preferred_element_type=rows.dtype,
    )  # [in, *strides, R * batch, *spans]
    moved = _interleaved(split, len(sizes))
    crop = [
        (-lo, lo + n - m * s, 0)
        for n, (lo, _), m, s in zip(sizes, padding, spans, strides, strict=True)
    ]
    zero = jnp.zeros((), moved.dtype)
    moved = lax.pad(moved, zero, [(0, 0, 0), (0, 0, 0), *crop])
    moved = moved.reshape(count, -1, *moved.shape[1:])  # [R, batch, in, *sizes]
    return jnp.transpose(moved, (0, *(int(a) + 1 for a in np.argsort(x_spec))))


def _shifted(rows, taps, spans):
    """[out, taps, R, *spans]: the window that each tap of each place reads."""
    rows = jnp.moveaxis(rows, 1, 0)
    widths = [(0, 0, 0), (0, 0, 0)]
    widths += [
        (t - 1, m - p, 0) for t, m, p in zip(taps, spans, rows.shape[2:], strict=True)
    ]
    rows = lax.pad(rows, jnp.zeros((), rows.dtype), widths)
    starts = itertools.product(*(range(t - 1, -1, -1) for t in taps))
    slices = [
        rows[(slice(None),) * 2 + tuple(map(_from, start, spans))] for start in starts
    ]
    return jnp.stack(slices, axis=1)


def _from(start, length):
    return slice(start, start + length)


def _phases(kernel, taps, strides):
    """[out, taps, in, *strides]: the kernel by tap and remainder."""
    whole = [
        (0, t * s - k, 0)
        for t, s, k in zip(taps, strides, kernel.shape[2:], strict=True)
    ]
    zero = jnp.zeros((), kernel.dtype)
    kernel = lax.pad(kernel, zero, [(0, 0, 0), (0, 0, 0), *whole])
    pairs = [n for pair in zip(taps, strides, strict=True) for n in pair]
    kernel = kernel.reshape(*kernel.shape[:2], *pairs)
    d = len(taps)
    order = (0, *(2 + 2 * k for k in range(d)), 1, *(3 + 2 * k for k in range(d)))
    kernel = jnp.transpose(kernel, order)
    return kernel.reshape(kernel.shape[0], -1, *kernel.shape[1 + d :])


def _interleaved(split, d):
    """[R, in, *(spans * strides)] from [in, *strides, R, *spans]."""
    order = [1 + d, 0]
    for k in range(d):
        order += [2 + d + k, 1 + k]
    split = jnp.transpose(split, order)
    sizes = [split.shape[2 + 2 * k] * split.shape[3 + 2 * k] for k in range(d)]
    return split.reshape(*split.shape[:2], *sizes)
