"""Products of matrices and convolutions, in the order that the domain states."""

import jax
import jax.numpy as jnp
import ml_dtypes
import numpy as np
from jax import lax

from tests.domains.ieee32 import exact
from tests.domains.ieee32.cases import F, fold, in_order


def dot(order, x, y):
    """x: [rows, terms], y: [terms, columns]."""
    if order != "fma-sequential":
        return fold(order, x.T[:, :, None] * y[:, None, :])
    result = x[:, 0, None] * y[0]
    for k in range(1, x.shape[1]):
        for i, j in np.ndindex(result.shape):
            result[i, j] = exact.fma32(x[i, k], y[k, j], result[i, j])
    return result


def convolution(order, x, w, stride=1, pad=0, groups=1):
    """x: [batch, place, feature], w: [place, in, out], padding that takes no part."""
    size, features, out = w.shape
    places = (x.shape[1] + 2 * pad - size) // stride + 1
    result = np.zeros((x.shape[0], places, out), F)
    for n, p, o in np.ndindex(result.shape):
        first = o // (out // groups) * features
        start = p * stride - pad
        used = [k for k in range(size) if 0 <= start + k < x.shape[1]]
        a = np.concatenate([x[n, start + k, first : first + features] for k in used])
        b = np.concatenate([w[k, :, o] for k in used])
        result[n, p, o] = dot(order, a[None], b[:, None])[0, 0]
    return result


def conv(x, w, strides=(1,), padding=((0, 0),), **more):
    return lax.conv_general_dilated(
        x, w, strides, padding, dimension_numbers=("NWC", "WIO", "NWC"), **more
    )


def weight_gradient(order, x):
    """d sum(conv(x, w) g) / dw with g = x[:, :4] and two groups, batch before place in
    each place of the window... as JAX lowers it: one feature (the batch) per place."""
    result = np.zeros((2, 2, 4), F)
    for k, i, o in np.ndindex(result.shape):
        a = np.array([x[n, p + k, o // 2 * 2 + i] for p in range(4) for n in range(2)])
        b = np.array([x[n, p, o] for p in range(4) for n in range(2)])
        result[k, i, o] = dot(order, a[None], b[:, None])[0, 0]
    return result


def transposed(order, x, w):
    """Zeros between the elements of x are no terms."""
    spread = {2 + 2 * p: x[0, p] for p in range(4)}
    result = np.zeros((1, 9, 2), F)
    for p, o in np.ndindex(9, 2):
        used = [k for k in range(3) if p + k in spread]
        a = np.concatenate([spread[p + k] for k in used])
        b = np.concatenate([w[k, :, o] for k in used])
        result[0, p, o] = dot(order, a[None], b[:, None])[0, 0]
    return result


CASES = [
    in_order(
        "matmul", lambda x, y: x @ y, ((3, 7), (7, 2)), dot, rules=["dot_general"]
    ),
    in_order(
        "matmul_wild",
        lambda x, y: x @ y,
        ((20, 3), (3, 5)),
        dot,
        rules=["dot_general"],
        plain=False,
    ),
    in_order(
        "batched",
        lambda x, y: jnp.einsum("bkm,bnk->bmn", x, y),
        ((2, 5, 3), (2, 4, 5)),
        lambda o, x, y: np.stack([dot(o, x[b].T, y[b].T) for b in range(2)]),
        rules=["dot_general"],
    ),
    in_order(
        "two_axes",
        lambda x, y: jnp.einsum("ijm,ijn->mn", x, y),
        ((2, 3, 4), (2, 3, 2)),
        lambda o, x, y: dot(o, x.reshape(6, 4).T, y.reshape(6, 2)),
        rules=["dot_general"],
    ),
    in_order(
        "widened",
        lambda x, y: jnp.dot(
            x.astype(jnp.bfloat16),
            y.astype(jnp.bfloat16),
            preferred_element_type=jnp.float32,
        ),
        ((3, 7), (7, 2)),
        lambda o, x, y: dot(
            o, *(v.astype(ml_dtypes.bfloat16).astype(F) for v in (x, y))
        ),
        rules=["dot_general"],
    ),
    in_order(
        "conv",
        conv,
        ((2, 6, 2), (3, 2, 3)),
        convolution,
        rules=["conv_general_dilated"],
    ),
    in_order(
        "conv_padded",
        lambda x, w: conv(x, w, (2,), ((1, 1),)),
        ((1, 6, 2), (3, 2, 2)),
        lambda o, x, w: convolution(o, x, w, 2, 1),
        rules=["conv_general_dilated"],
    ),
    in_order(
        "conv_groups",
        lambda x, w: conv(x, w, feature_group_count=2),
        ((1, 5, 4), (2, 2, 4)),
        lambda o, x, w: convolution(o, x, w, groups=2),
        rules=["conv_general_dilated"],
    ),
    in_order(
        "conv_weight_gradient",
        lambda x, w: jax.vjp(lambda v: conv(x, v, feature_group_count=2), w)[1](
            x[:, :4]
        )[0],
        ((2, 5, 4), (2, 2, 4)),
        lambda o, x, w: weight_gradient(o, x),
        rules=["conv_general_dilated"],
    ),
    in_order(
        "conv_transposed",
        lambda x, w: conv(x, w, padding=((2, 2),), lhs_dilation=(2,)),
        ((1, 4, 2), (3, 2, 2)),
        lambda o, x, w: transposed(o, x, w),
        rules=["conv_general_dilated"],
    ),
]
