"""Quantised rules for sums of products: int8 times int8, summed in int32.

With weights w and an activation q of zero point z, sum (q - z) w = sum q w - z sum w,
and the last term is known when the program is built. Sums of weights bound every
partial sum, so that no accumulator can overflow, in any order.
"""

from typing import Any

import jax.numpy as jnp
import numpy as np
from jax import lax

from torchlean_jax.domains._errors import MissingRuleError
from torchlean_jax.domains.quantized._rescale import constant
from torchlean_jax.domains.quantized._value import (
    Quantized,
    check_reach,
    narrow,
    rules,
)

_STORED = 128  # no int8 is larger


@rules.define_op("dot_general")
def _dot_general(operation, x, y):
    run = _into_int32(operation)
    (x_sum, y_sum), (x_batch, y_batch) = operation.params["dimension_numbers"]
    if Quantized.is_value(x) and Quantized.is_value(y):
        x, y = narrow(x), narrow(y)
        terms = int(np.prod([x.shape[d] for d in x_sum], dtype=np.int64))
        reach = terms * x.reach * y.reach
        total = run(x.centred(), y.centred())
        return x.wide(total, x.scale * y.scale, -reach, reach)
    weights_first = not Quantized.is_value(x)
    x, w = (y, x) if weights_first else (x, y)
    axes, batch = (x_sum, x_batch) if weights_first else (y_sum, y_batch)
    x = narrow(x)
    weights, scales = x.scheme.weights(w, axes)

    def placed(array):
        """An array with the summed axes of the weights of length 1, in the result."""
        free = [d for d in range(array.ndim) if d not in (*axes, *batch)]
        array = np.transpose(array, (*batch, *free, *axes))
        array = array.reshape(array.shape[: len(batch) + len(free)])
        others = x.ndim - len(axes) - len(batch)
        at = len(batch) + (len(free) if weights_first else 0)
        return np.expand_dims(array, tuple(range(at, at + others)))

    def total(x, w):
        return run(w, x) if weights_first else run(x, w)

    return _weighted(x, weights, scales, axes, total, placed)


@rules.define_op("conv_general_dilated")
def _conv(operation, x, w):
    """A border of zeros is one of zero points: it is laid on before."""
    params = operation.params
    if not Quantized.is_value(x) or Quantized.is_value(w):
        raise MissingRuleError("a quantised convolution has a known kernel")
    if params["batch_group_count"] != 1:
        raise MissingRuleError("a quantised convolution has no batch groups")
    x = narrow(x)
    x_spec, w_spec, y_spec = params["dimension_numbers"]
    border = [(0, 0, 0)] * x.ndim
    for axis, (low, high), dilation in zip(
        x_spec[2:], params["padding"], params["lhs_dilation"], strict=True
    ):
        border[axis] = low, high, dilation - 1
    axes = tuple(d for d in range(w.ndim) if d != w_spec[0])
    weights, scales = x.scheme.weights(w, axes)

    def placed(array):
        shape = [1] * x.ndim
        shape[y_spec[1]] = array.size
        return array.reshape(shape)

    run = _into_int32(operation).replace(
        padding=((0, 0),) * (x.ndim - 2), lhs_dilation=(1,) * (x.ndim - 2)
    )

    zero = np.int8(x.zero_point)

    def total(x, w):
        return run(lax.pad(x, zero, border) if any(map(any, border)) else x, w)

    return _weighted(x, weights, scales, axes, total, placed)


def _weighted(x, weights, scales, axes, total, placed) -> Quantized:
    """`total(x, weights)` on the product of the grids."""
    wide = weights.astype(np.int64)
    check_reach(int(np.abs(wide).sum(axes).max(initial=0)) * _STORED)
    result = total(x.integers, weights)
    if x.zero_point:
        offset = placed(x.zero_point * wide.sum(axes, keepdims=True))
        result = result - constant(offset)
    positive = int(np.maximum(wide, 0).sum(axes).max(initial=0))
    negative = int(np.maximum(-wide, 0).sum(axes).max(initial=0))
    least = -(positive * max(-x.least, 0) + negative * max(x.most, 0))
    most = positive * max(x.most, 0) + negative * max(-x.least, 0)
    scales = placed(scales) if scales.size > 1 else scales.reshape(())
    return x.wide(result, x.scale * scales, least, most)


def _into_int32(operation):
    params: dict[str, Any] = {"preferred_element_type": jnp.dtype(jnp.int32)}
    if operation.all_params.get("precision") is not None:
        params["precision"] = None  # of floating-point passes
    return operation.replace(**params)
