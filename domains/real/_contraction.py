"""Rules for sums of products: batched matrix products, convolutions.

Everything becomes products of Arb matrices. Precisions and accumulation dtypes are
about rounding, which there is none of.
"""

import math

import numpy as np

from torchlean_jax.domains._windows import Convolution
from torchlean_jax.domains.real._apply import plus, times
from torchlean_jax.domains.real._flint import flint
from torchlean_jax.domains.real._reduce import folded
from torchlean_jax.domains.real._value import RealArray, each2, rules


def matrix_product(a: np.ndarray, b: np.ndarray, *, finite: bool) -> np.ndarray:
    """[m, k] times [k, n], object arrays of balls (both real or both complex)."""
    (m, k), n = a.shape, b.shape[1]
    if 0 in (m, k, n):
        return np.full((m, n), flint().arb(0), object)
    if not finite:  # an Arb matrix makes 0 inf no number, and unknown of both
        terms = RealArray(each2(times, a[:, :, None], b[None]), float)
        return folded(plus, 0, terms, (1,)).balls
    is_complex = isinstance(a.flat[0], flint().acb) or isinstance(
        b.flat[0], flint().acb
    )
    matrix = flint().acb_mat if is_complex else flint().arb_mat
    product = matrix(m, k, a.ravel().tolist()) * matrix(k, n, b.ravel().tolist())
    result = np.empty(m * n, object)
    result[:] = product.entries()
    return result.reshape(m, n)


@rules.define("dot_general")
def dot_general(
    x, y, *, dimension_numbers, precision=None, preferred_element_type=None
):
    (x_sum, y_sum), (x_batch, y_batch) = dimension_numbers
    a, x_free = _arranged(x, x_batch, x_sum)
    b, y_free = _arranged(y, y_batch, y_sum)
    finite = x.is_finite and y.is_finite
    products = [
        matrix_product(left, right.T, finite=finite)
        for left, right in zip(a, b, strict=True)
    ]
    shape = [*(x.shape[i] for i in x_batch), *x_free, *y_free]
    balls = np.array(products, object).reshape(shape)
    dtype = preferred_element_type or np.result_type(x.dtype, y.dtype)
    return RealArray(balls, dtype, finite=finite or None)


def _arranged(x, batch, summed):
    """([batch, free, summed], lengths of the free axes)."""
    free = [a for a in range(x.ndim) if a not in (*batch, *summed)]
    lengths = [x.shape[a] for a in free]
    sizes = [math.prod(x.shape[a] for a in axes) for axes in (batch, free, summed)]
    return x.balls.transpose([*batch, *free, *summed]).reshape(sizes), lengths


@rules.define("conv_general_dilated")
def _conv(x, kernel, **params):
    """Products of patches with the kernel, group by group of features (of batches)."""
    conv = Convolution(**params)
    x_spec, kernel_spec, out_spec = conv.dimension_numbers
    a, b = x.balls.transpose(x_spec), kernel.balls.transpose(kernel_spec)
    places = conv.windows(b.shape[2:]).positions((1, 1, *a.shape[2:]))
    spatial = places.shape[2 : a.ndim]
    places = places.reshape(math.prod(spatial), -1)
    finite = x.is_finite and kernel.is_finite
    split = 0 if conv.by_batch else 1
    columns = [
        _correlated(part, weights, places, finite)
        for part, weights in zip(
            np.split(a, conv.groups, split), np.split(b, conv.groups, 0), strict=True
        )
    ]
    result = np.concatenate(columns, 1)
    result = result.reshape(*result.shape[:2], *spatial)
    dtype = conv.preferred_element_type or np.result_type(x.dtype, kernel.dtype)
    result = result.transpose(np.argsort(out_spec))
    return RealArray(result, dtype, finite=finite or None)


def _correlated(x, kernel, places, finite):
    """[n, c, ...] with [o, c, ...]: [n, o, windows], elements taken from `places`."""
    n, c, o = *x.shape[:2], kernel.shape[0]
    flat = x.reshape(n, c, -1)
    zero = np.full((n, c, 1), flint().arb(0), object)
    patches = np.concatenate([flat, zero], 2)[:, :, places]  # [n, c, windows, window]
    rows = patches.transpose(0, 2, 1, 3).reshape(n * len(places), -1)
    product = matrix_product(rows, kernel.reshape(o, -1).T, finite=finite)
    return product.reshape(n, len(places), o).transpose(0, 2, 1)
