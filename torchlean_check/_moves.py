"""Layout operations: each is one exact map of positions."""

import math

from torchlean_check._graph import operation
from torchlean_check._layout import offsets, strided, strides
from torchlean_check._operands import is_order, move, only, require
from torchlean_check._schema import FLOATS, dyadic, fail
from torchlean_check._tensor import Tensor


@operation("reshape", new_sizes=[int])
def _reshape(g, operands, shape, new_sizes):
    (x,) = only(operands, 1)
    require(math.prod(new_sizes) == x.size, "sizes do not match")
    return move(g, [x], list(range(x.size)), new_sizes)


@operation("squeeze", dimensions=[int])
def _squeeze(g, operands, shape, dimensions):
    (x,) = only(operands, 1)
    require(is_order(dimensions, len(x.shape), False), "bad dimensions")
    require(all(x.shape[d] == 1 for d in dimensions), "a size is not 1")
    sizes = [n for d, n in enumerate(x.shape) if d not in dimensions]
    return move(g, [x], list(range(x.size)), sizes)


@operation("copy", "stop_gradient")
def _copy(g, operands, shape):
    (x,) = only(operands, 1)
    return move(g, [x], list(range(x.size)), x.shape)


@operation("convert_element_type", new_dtype=str)
def _convert(g, operands, shape, new_dtype):
    """The identity on real numbers. A cast to integers would truncate."""
    (x,) = only(operands, 1)
    require(new_dtype in FLOATS, "only conversions to floats")
    value = move(g, [x], list(range(x.size)), x.shape)
    g.values[value.id] = value._replace(dtype=new_dtype)
    return g.values[value.id]


@operation("transpose", permutation=[int])
def _transpose(g, operands, shape, permutation):
    (x,) = only(operands, 1)
    require(is_order(permutation, len(x.shape), True), "not a permutation")
    sizes = [x.shape[p] for p in permutation]
    return move(g, [x], offsets(x.shape, permutation), sizes)


@operation("broadcast_in_dim", broadcast_dimensions=[int])
def _broadcast_in_dim(g, operands, shape, broadcast_dimensions):
    (x,) = only(operands, 1)
    axes = broadcast_dimensions
    require(is_order(axes, len(shape), False), "bad broadcast_dimensions")
    require(len(axes) == len(x.shape), "one dimension per axis")
    steps = [0] * len(shape)
    for d, n, step in zip(axes, x.shape, strides(x.shape), strict=True):
        require(n in (1, shape[d]), "sizes do not match")
        steps[d] = step if n > 1 else 0
    return move(g, [x], strided(shape, steps), shape)


@operation("slice", start_indices=[int], limit_indices=[int], strides=[int])
def _slice(g, operands, shape, start_indices, limit_indices, **params):
    (x,) = only(operands, 1)
    options = (start_indices, limit_indices, params["strides"])
    require(all(len(o) == len(x.shape) for o in options), "one entry per axis")
    axes = []
    for n, a, b, step in zip(x.shape, *options, strict=True):
        require(0 <= a < b <= n and step > 0, "out of range")
        axes.append(range(a, b, step))
    return move(g, [x], _grid(axes, x.shape), [len(axis) for axis in axes])


def _grid(axes, shape) -> list[int]:
    index = [0]
    for axis, step in zip(axes, strides(shape), strict=True):
        index = [p + i * step for p in index for i in axis]
    return index


@operation("rev", dimensions=[int])
def _rev(g, operands, shape, dimensions):
    (x,) = only(operands, 1)
    require(is_order(dimensions, len(x.shape), False), "bad dimensions")
    axes = [
        range(n - 1, -1, -1) if d in dimensions else range(n)
        for d, n in enumerate(x.shape)
    ]
    return move(g, [x], _grid(axes, x.shape), x.shape)


@operation("concatenate", dimension=int)
def _concatenate(g, operands, shape, dimension):
    first = operands[0].shape
    require(0 <= dimension < len(first), "no such dimension")
    rest = [(x.shape[:dimension], x.shape[dimension + 1 :]) for x in operands]
    require(all(r == rest[0] for r in rest), "shapes do not match")
    chunks, start = [], 0
    for x in operands:
        chunks.append((start, math.prod(x.shape[dimension:])))
        start += x.size
    along = sum(x.shape[dimension] for x in operands)
    sizes = (*rest[0][0], along, *rest[0][1])
    require(sizes == shape, "sizes do not match")
    index = []
    for outer in range(math.prod(first[:dimension])):
        for base, chunk in chunks:
            index.extend(range(base + outer * chunk, base + (outer + 1) * chunk))
    return move(g, operands, index, sizes)


@operation("pad", padding_config=[(int, int, int)])
def _pad(g, operands, shape, padding_config):
    x, fill = only(operands, 2)
    require(fill.shape == (), "the padding value must be a scalar")
    require(len(padding_config) == len(x.shape), "one entry per axis")
    sizes = []
    for n, (low, high, inner) in zip(x.shape, padding_config, strict=True):
        require(inner >= 0, "negative interior padding")
        sizes.append(low + high + n + (n - 1) * inner)
    require(tuple(sizes) == shape, "sizes do not match")
    index = [0]
    for n, size, step, (low, _, inner) in zip(
        x.shape, sizes, strides(x.shape), padding_config, strict=True
    ):
        places = [(i - low, inner + 1) for i in range(size)]
        axis = [
            i // d if 0 <= i <= (n - 1) * d and i % d == 0 else None for i, d in places
        ]
        index = [
            None if p is None or i is None else p + i * step
            for p in index
            for i in axis
        ]
    return move(g, [x, fill], [x.size if p is None else p for p in index], sizes)


@operation("take", optional=("fill",), fill=(int, int))
def _take(g, operands, shape, fill=None):
    """Entry k of the result is the flat entry index[k] of the operand; -1 is `fill`."""
    x, index = only(operands, 2)
    if index.known is None or index.dtype in (*FLOATS, "bool") or index.known.exp != 0:
        fail("in", "the index must be a constant array of integers")
    least = -1 if fill is not None else 0
    if min(index.known.lo) < least or max(index.known.lo) >= x.size:
        fail("in", "an index is out of range")
    if fill is not None:
        m, e = dyadic(fill, "params.fill")
        ints = [m]
        fill = Tensor(ints, ints, e)
    return move(g, [x], index.known.lo, index.shape, fill)


@operation("select_n")
def _select_n(g, operands, shape):
    which, *cases = operands
    if which.known is None or which.dtype in FLOATS or not cases:
        fail("in", "the predicate must be a constant")
    which = g.broadcast(which, cases[0].shape)
    if any(x.shape != cases[0].shape for x in cases):
        fail("in", "the cases must have one shape")
    chosen, n = which.known.lo, cases[0].size
    if min(chosen) < 0 or max(chosen) >= len(cases):
        fail("in", "the predicate selects no case")
    return move(g, cases, [c * n + k for k, c in enumerate(chosen)], cases[0].shape)
