"""Reductions along axes, and the positions of extremes."""

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from torchlean_jax.domains._errors import FileFormatError
from torchlean_jax.onnx._operators import define, flag, is_floating, known_ints

_UP_TO_18 = "1 11 13 18"
_EXTREMES = "1 11 12 13 18 20"
_VERSIONS = {
    "ReduceSum": "1 11 13",
    "ReduceMean": _UP_TO_18,
    "ReduceProd": _UP_TO_18,
    "ReduceL1": _UP_TO_18,
    "ReduceL2": _UP_TO_18,
    "ReduceSumSquare": _UP_TO_18,
    "ReduceLogSum": _UP_TO_18,
    "ReduceLogSumExp": _UP_TO_18,
    "ReduceMax": _EXTREMES,
    "ReduceMin": _EXTREMES,
}


@define(" ".join(_VERSIONS), _VERSIONS, static=[1], foldable=True)
def _reduce(node, x, axes=None):
    """axes became an input at opset 13 (ReduceSum) or 18 (the others)."""
    axes = node.integers("axes") if axes is None else known_ints(axes)
    keep = flag(node, "keepdims", 1)
    if not axes:
        if flag(node, "noop_with_empty_axes", 0):
            return _without_axes(node, x)
        axes = range(np.ndim(x))
    axes = node.axes(axes, np.ndim(x))
    return _REDUCTIONS[node.op_type](node.xp, x, axes, keep)


def _without_axes(node, x):
    """Every element is a group of its own."""
    node.ignore("keepdims")
    if node.op_type in (
        "ReduceSum",
        "ReduceMean",
        "ReduceMax",
        "ReduceMin",
        "ReduceProd",
    ):
        return x
    raise FileFormatError(f"{node.op_type} over no axes with noop_with_empty_axes=1")


def _sum(xp, x, axes, keep):
    # NumPy and JAX would widen small integers
    return xp.sum(x, axis=axes, keepdims=keep, dtype=x.dtype)


def _mean(xp, x, axes, keep):
    if is_floating(x):
        return xp.mean(x, axis=axes, keepdims=keep)
    total = _sum(xp, x, axes, keep)
    count = np.asarray(np.prod([x.shape[a] for a in axes]), x.dtype)
    if xp is np:
        return (np.sign(total) * (np.abs(total) // count)).astype(x.dtype)
    return lax.div(total, jnp.full_like(total, count))


_REDUCTIONS = {
    "ReduceSum": _sum,
    "ReduceMean": _mean,
    "ReduceProd": lambda xp, x, a, k: xp.prod(x, axis=a, keepdims=k, dtype=x.dtype),
    "ReduceMax": lambda xp, x, a, k: xp.max(x, axis=a, keepdims=k),
    "ReduceMin": lambda xp, x, a, k: xp.min(x, axis=a, keepdims=k),
    "ReduceL1": lambda xp, x, a, k: _sum(xp, xp.abs(x), a, k),
    "ReduceL2": lambda xp, x, a, k: xp.sqrt(_sum(xp, x * x, a, k)),
    "ReduceSumSquare": lambda xp, x, a, k: _sum(xp, x * x, a, k),
    "ReduceLogSum": lambda xp, x, a, k: xp.log(_sum(xp, x, a, k)),
    "ReduceLogSumExp": lambda xp, x, a, k: jax.nn.logsumexp(x, axis=a, keepdims=k),
}


@define("ArgMax ArgMin", "1 11 12 13")
def _arg_extreme(node, x):
    axis = node.axis(node.integer("axis", 0), x.ndim)
    find = jnp.argmax if node.op_type == "ArgMax" else jnp.argmin
    last = flag(node, "select_last_index", 0)
    found = find(lax.rev(x, (axis,)) if last else x, axis=axis)
    if last:
        found = x.shape[axis] - 1 - found
    found = found.astype(jax.dtypes.canonicalize_dtype(np.int64))
    return jnp.expand_dims(found, axis) if flag(node, "keepdims", 1) else found


@define("CumSum", "11 14", static=[1])
def _cumsum(node, x, axis):
    axis = node.axis(int(np.asarray(axis).item()), x.ndim)
    reverse = flag(node, "reverse", 0)
    if not flag(node, "exclusive", 0):
        return lax.cumsum(x, axis, reverse=reverse)
    # shifted by one, not `cumsum(x) - x`, which would round differently
    size = x.shape[axis]
    if size == 0:
        return x
    low, high = (1, 0) if reverse else (0, 1)
    kept = lax.slice_in_dim(x, low, size - high, axis=axis)
    pads = [(0, 0, 0)] * x.ndim
    pads[axis] = (high, low, 0)
    return lax.cumsum(lax.pad(kept, x.dtype.type(0), pads), axis, reverse=reverse)
