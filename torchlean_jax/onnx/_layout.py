"""Operators that move elements without changing them, at positions known beforehand."""

import itertools
import math

import jax.numpy as jnp
import numpy as np
from jax import lax

from torchlean_jax.domains._errors import FileFormatError
from torchlean_jax.onnx._operators import (
    UnsupportedError,
    define,
    known_ints,
    same_dtype,
)

_RECENT = "13 21 23 24 25"


@define("Identity", "1 13 14 16 19 21 23 24 25", foldable=True)
def _identity(node, x):
    return x


@define("Reshape", "1 5 13 14 19 21 23 24 25", static=[1], foldable=True)
def _reshape(node, x, shape=None):
    node.ignore("consumed_inputs")
    sizes = node.integers("shape") if shape is None else known_ints(shape)
    if sizes is None:
        raise FileFormatError("no shape is given")
    if not node.integer("allowzero", 0):
        if any(n == 0 and i >= np.ndim(x) for i, n in enumerate(sizes)):
            raise FileFormatError(f"shape {sizes} copies an axis that is not there")
        sizes = [n or x.shape[i] for i, n in enumerate(sizes)]
    return x.reshape(_filled(sizes, x))


def _filled(sizes, x):
    """`sizes` with its -1 replaced by what is left over."""
    known = math.prod(n for n in sizes if n != -1)
    unknown = sizes.count(-1)
    fits = known and x.size % known == 0 if unknown else known == x.size
    if min(sizes, default=0) < -1 or unknown > 1 or not fits:
        raise FileFormatError(f"{list(x.shape)} cannot be reshaped to {list(sizes)}")
    return tuple(x.size // known if n == -1 else n for n in sizes)


@define("Flatten", "1 9 11 13 21 23 24 25", foldable=True)
def _flatten(node, x):
    axis = node.axis(node.integer("axis", 1), np.ndim(x), extra=1)
    return x.reshape(math.prod(x.shape[:axis]), math.prod(x.shape[axis:]))


@define("Transpose", "1 " + _RECENT, foldable=True)
def _transpose(node, x):
    order = node.integers("perm", list(range(np.ndim(x)))[::-1])
    if sorted(order) != list(range(np.ndim(x))):
        raise FileFormatError(f"perm {order} of a tensor with {np.ndim(x)} axes")
    return node.xp.transpose(x, order)


@define("Squeeze", "1 11 " + _RECENT, static=[1], foldable=True)
def _squeeze(node, x, axes=None):
    axes = node.integers("axes") if axes is None else known_ints(axes)
    if axes is None:
        axes = [i for i, n in enumerate(x.shape) if n == 1]
    axes = node.axes(axes, np.ndim(x))
    if any(x.shape[a] != 1 for a in axes):
        raise FileFormatError(f"axes {list(axes)} of {list(x.shape)} are not all 1")
    return node.xp.squeeze(x, axis=axes)


@define("Unsqueeze", "1 11 " + _RECENT, static=[1], foldable=True)
def _unsqueeze(node, x, axes=None):
    axes = node.integers("axes", []) if axes is None else known_ints(axes)
    return node.xp.expand_dims(x, node.axes(axes, np.ndim(x) + len(axes)))


@define("Concat", "1 4 11 13", foldable=True)
def _concat(node, *xs):
    same_dtype(*xs)
    axis = node.integer("axis", 1 if node.version < 4 else None)
    if axis is None:
        raise FileFormatError("no axis is given")
    axis = node.axis(axis, np.ndim(xs[0]))
    rest = {np.delete(np.shape(x), axis).tobytes() for x in xs}
    if len({np.ndim(x) for x in xs}) > 1 or len(rest) > 1:
        shapes = ", ".join(str(list(x.shape)) for x in xs)
        raise FileFormatError(f"shapes do not fit along axis {axis}: {shapes}")
    return node.xp.concatenate(xs, axis=axis)


@define("Split", "1 2 11 13 18", static=[1], foldable=True)
def _split(node, x, sizes=None):
    axis = node.axis(node.integer("axis", 0), np.ndim(x))
    sizes = node.integers("split") if sizes is None else known_ints(sizes)
    count, size = node.integer("num_outputs", node.outputs), x.shape[axis]
    if sizes is None:
        if node.version < 18 and size % count:
            raise FileFormatError(f"{size} elements are not {count} equal parts")
        each = -(-size // count)
        sizes = [max(0, min(each, size - i * each)) for i in range(count)]
    if min(sizes, default=0) < 0 or sum(sizes) != size or len(sizes) != node.outputs:
        raise FileFormatError(f"{size} elements are not split as {sizes}")
    ends = np.cumsum([0, *sizes]).tolist()
    return tuple(
        _sliced(node, x, {axis: slice(*pair, 1)}) for pair in itertools.pairwise(ends)
    )


@define("Slice", "1 10 11 13", static=[1, 2, 3, 4], foldable=True)
def _slice(node, x, starts=None, ends=None, axes=None, steps=None):
    if node.version < 10:
        starts, ends, axes = (node.integers(n) for n in ("starts", "ends", "axes"))
    if starts is None or ends is None:
        raise FileFormatError("no starts or ends are given")
    starts, ends = known_ints(starts), known_ints(ends)
    axes = range(len(starts)) if axes is None else known_ints(axes)
    axes = node.axes(axes, np.ndim(x))
    steps = [1] * len(starts) if steps is None else known_ints(steps)
    if not len(starts) == len(ends) == len(axes) == len(steps):
        raise FileFormatError("starts, ends, axes and steps differ in length")
    if 0 in steps:
        raise FileFormatError("a step is zero")
    # ONNX and Python agree on what lies beyond the ends
    return _sliced(
        node,
        x,
        {a: slice(*s) for a, s in zip(axes, _zip(starts, ends, steps), strict=True)},
    )


def _zip(*lists):
    return zip(*lists, strict=True)


def _sliced(node, x, slices):
    if node.xp is np:
        return x[tuple(slices.get(i, slice(None)) for i in range(x.ndim))]
    for axis, where in slices.items():
        start, stop, step = where.indices(x.shape[axis])
        chosen = range(start, stop, step)
        if step < 0:
            x, chosen = (
                lax.rev(x, (axis,)),
                range(x.shape[axis] - 1 - start, x.shape[axis] - 1 - stop, -step),
            )
        if chosen != range(x.shape[axis]):
            last = chosen[-1] + 1 if chosen else chosen.start
            first = min(chosen.start, last)
            x = lax.slice_in_dim(x, first, last, abs(step), axis)
    return x


@define("Expand", "8 13", static=[1], foldable=True)
def _expand(node, x, shape):
    try:
        result = np.broadcast_shapes(np.shape(x), tuple(known_ints(shape)))
    except ValueError as error:
        raise FileFormatError(
            f"{list(x.shape)} does not broadcast to {known_ints(shape)}"
        ) from error
    return node.xp.broadcast_to(x, node.room(result))


@define("Tile", "6 13", static=[1], foldable=True)
def _tile(node, x, repeats):
    times = known_ints(repeats)
    if len(times) != np.ndim(x) or min(times, default=0) < 0:
        raise FileFormatError(f"repeats {times} of a tensor with {np.ndim(x)} axes")
    node.room([n * t for n, t in zip(x.shape, times, strict=True)])
    return node.xp.tile(x, times)


@define("Pad", "1 2 11 13 18 19 21 23 24 25", static=[1, 3], fixed=[2])
def _pad(node, x, pads=None, value=None, axes=None):
    if pads is None:
        pads = node.integers("paddings" if node.version < 2 else "pads")
        value = node.number("value", 0.0)
    if pads is None:
        raise FileFormatError("no pads are given")
    pads, mode = known_ints(pads), node.text("mode", "constant")
    axes = node.axes(range(x.ndim) if axes is None else known_ints(axes), x.ndim)
    if len(pads) != 2 * len(axes):
        raise FileFormatError(f"{len(pads)} pads for {len(axes)} axes")
    widths = [(0, 0)] * x.ndim
    for axis, low, high in zip(axes, pads, pads[len(axes) :], strict=False):
        widths[axis] = (low, high)
    node.room([n + low + high for n, (low, high) in zip(x.shape, widths, strict=True)])
    if mode == "constant":
        value = jnp.asarray(0 if value is None else value, x.dtype).reshape(())
        return lax.pad(x, value, [(low, high, 0) for low, high in widths])
    if mode not in ("reflect", "edge", "wrap"):
        raise UnsupportedError(f"mode={mode!r}")
    cut = {
        i: slice(max(0, -a), n - max(0, -b), 1)
        for i, (n, (a, b)) in enumerate(zip(x.shape, widths, strict=True))
    }
    x = _sliced(node, x, cut)
    return jnp.pad(x, [(max(0, a), max(0, b)) for a, b in widths], mode=mode)


@define(
    "DepthToSpace SpaceToDepth", {"DepthToSpace": "1 11 13", "SpaceToDepth": "1 13"}
)
def _depth_and_space(node, x):
    block, (n, c, h, w) = node.integer("blocksize"), x.shape
    if block is None or block < 1:
        raise FileFormatError(f"blocksize {block}")
    if node.op_type == "SpaceToDepth":
        cut = x.reshape(n, c, h // block, block, w // block, block)
        moved = cut.transpose(0, 3, 5, 1, 2, 4)
        return moved.reshape(n, c * block**2, h // block, w // block)
    depth = c // block**2
    if node.text("mode", "DCR") == "DCR":
        moved = x.reshape(n, block, block, depth, h, w).transpose(0, 3, 4, 1, 5, 2)
    else:
        moved = x.reshape(n, depth, block, block, h, w).transpose(0, 1, 4, 2, 5, 3)
    return moved.reshape(n, depth, h * block, w * block)


@define("Trilu", "14", static=[1])
def _trilu(node, x, k=None):
    offset = 0 if k is None else int(np.asarray(k).item())
    rows, columns = np.indices(x.shape[-2:])
    upper = node.integer("upper", 1)
    kept = columns - rows >= offset if upper else columns - rows <= offset
    return jnp.where(kept, x, jnp.zeros_like(x))
