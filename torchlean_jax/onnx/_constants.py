"""Tensors that depend on shapes alone, or on nothing."""

import math

import jax.numpy as jnp
import numpy as np

from torchlean_jax.domains._errors import FileFormatError
from torchlean_jax.onnx._operators import define, known_ints
from torchlean_jax.onnx._tensors import dtype_of_code

_RECENT = "13 15 19 21 23 24 25"


@define("Shape", "1 " + _RECENT)
def _shape(node, x):
    start, end = node.integer("start", 0), node.integer("end", None)
    return np.asarray(np.shape(x)[start:end], np.int64)


@define("Size", "1 13 19 21 23 24 25")
def _size(node, x):
    return np.asarray(math.prod(np.shape(x)), np.int64)


@define("ConstantOfShape", "9 20 21 23 24 25", static=[0], foldable=True)
def _constant_of_shape(node, shape):
    value = node.attribute("value", np.zeros(1, np.float32), np.ndarray)
    if value.size != 1:
        raise FileFormatError(f"a value of {value.size} elements, not 1")
    return node.xp.full(node.room(known_ints(shape)), value.reshape(()), value.dtype)


@define("Range", "11", static=[0, 1, 2], foldable=True)
def _range(node, start, limit, delta):
    if delta == 0:
        raise FileFormatError("a step is zero")
    with np.errstate(over="ignore", invalid="ignore"):
        steps = np.ceil((limit - start) / delta)
    if not np.isfinite(steps):
        raise FileFormatError(f"from {start} to {limit} by {delta}")
    (count,) = node.room([max(0, int(steps))])
    return start + node.xp.arange(count, dtype=delta.dtype) * delta


@define("EyeLike", "9 22")
def _eye_like(node, x):
    if x.ndim != 2:
        raise FileFormatError(f"a tensor with {x.ndim} axes, not 2")
    code = node.attribute("dtype", None, int)
    dtype = x.dtype if code is None else dtype_of_code(code)
    rows, columns = x.shape
    return jnp.eye(rows, columns, node.integer("k", 0), dtype=dtype)
