"""Operations: layout, arithmetic, and the ReLU family, under their JAX names."""

import math

from torchlean_check._errors import UnsupportedCertificate
from torchlean_check._graph import OPERATIONS, floats, operation
from torchlean_check._layout import lines_along, offsets, strided, strides
from torchlean_check._linear import Blocks, Move, Scale, Sum
from torchlean_check._relax import Max, Relu
from torchlean_check._schema import FLOATS, dyadic, fail
from torchlean_check._tensor import Tensor, midpoint_radius, negated, reciprocal, total


def _require(condition, what: str) -> None:
    if not condition:
        fail("params", what)


def _is_order(axes, rank: int, every: bool) -> bool:
    proper = len(set(axes)) == len(axes) and all(0 <= a < rank for a in axes)
    return proper and (len(axes) == rank or not every)


def _only(operands, count: int):
    if len(operands) != count:
        fail("in", f"takes {count} operands, given {len(operands)}")
    return operands


# Layout: each is one exact map of positions.


def move(g, operands, index, shape, fill=None):
    sizes = [x.size for x in operands]
    g.spend(len(index) + sum(sizes))
    return g.emit(Move(index, sizes, fill), operands, shape)


@operation("reshape", new_sizes=[int])
def _reshape(g, operands, shape, new_sizes):
    (x,) = _only(operands, 1)
    _require(math.prod(new_sizes) == x.size, "sizes do not match")
    return move(g, [x], list(range(x.size)), new_sizes)


@operation("squeeze", dimensions=[int])
def _squeeze(g, operands, shape, dimensions):
    (x,) = _only(operands, 1)
    _require(_is_order(dimensions, len(x.shape), False), "bad dimensions")
    _require(all(x.shape[d] == 1 for d in dimensions), "a size is not 1")
    sizes = [n for d, n in enumerate(x.shape) if d not in dimensions]
    return move(g, [x], list(range(x.size)), sizes)


@operation("copy", "stop_gradient")
def _copy(g, operands, shape):
    (x,) = _only(operands, 1)
    return move(g, [x], list(range(x.size)), x.shape)


@operation("convert_element_type", new_dtype=str)
def _convert(g, operands, shape, new_dtype):
    """The identity on real numbers. A cast to integers would truncate."""
    (x,) = _only(operands, 1)
    _require(new_dtype in FLOATS, "only conversions to floats")
    value = move(g, [x], list(range(x.size)), x.shape)
    g.values[value.id] = value._replace(dtype=new_dtype)
    return g.values[value.id]


@operation("transpose", permutation=[int])
def _transpose(g, operands, shape, permutation):
    (x,) = _only(operands, 1)
    _require(_is_order(permutation, len(x.shape), True), "not a permutation")
    sizes = [x.shape[p] for p in permutation]
    return move(g, [x], offsets(x.shape, permutation), sizes)


@operation("broadcast_in_dim", broadcast_dimensions=[int])
def _broadcast_in_dim(g, operands, shape, broadcast_dimensions):
    (x,) = _only(operands, 1)
    axes = broadcast_dimensions
    _require(_is_order(axes, len(shape), False), "bad broadcast_dimensions")
    _require(len(axes) == len(x.shape), "one dimension per axis")
    steps = [0] * len(shape)
    for d, n, step in zip(axes, x.shape, strides(x.shape), strict=True):
        _require(n in (1, shape[d]), "sizes do not match")
        steps[d] = step if n > 1 else 0
    return move(g, [x], strided(shape, steps), shape)


@operation("slice", start_indices=[int], limit_indices=[int], strides=[int])
def _slice(g, operands, shape, start_indices, limit_indices, **params):
    (x,) = _only(operands, 1)
    options = (start_indices, limit_indices, params["strides"])
    _require(all(len(o) == len(x.shape) for o in options), "one entry per axis")
    axes = []
    for n, a, b, step in zip(x.shape, *options, strict=True):
        _require(0 <= a < b <= n and step > 0, "out of range")
        axes.append(range(a, b, step))
    return move(g, [x], _grid(axes, x.shape), [len(axis) for axis in axes])


def _grid(axes, shape) -> list[int]:
    index = [0]
    for axis, step in zip(axes, strides(shape), strict=True):
        index = [p + i * step for p in index for i in axis]
    return index


@operation("rev", dimensions=[int])
def _rev(g, operands, shape, dimensions):
    (x,) = _only(operands, 1)
    _require(_is_order(dimensions, len(x.shape), False), "bad dimensions")
    axes = [
        range(n - 1, -1, -1) if d in dimensions else range(n)
        for d, n in enumerate(x.shape)
    ]
    return move(g, [x], _grid(axes, x.shape), x.shape)


@operation("concatenate", dimension=int)
def _concatenate(g, operands, shape, dimension):
    first = operands[0].shape
    _require(0 <= dimension < len(first), "no such dimension")
    rest = [(x.shape[:dimension], x.shape[dimension + 1 :]) for x in operands]
    _require(all(r == rest[0] for r in rest), "shapes do not match")
    chunks, start = [], 0
    for x in operands:
        chunks.append((start, math.prod(x.shape[dimension:])))
        start += x.size
    along = sum(x.shape[dimension] for x in operands)
    sizes = (*rest[0][0], along, *rest[0][1])
    _require(sizes == shape, "sizes do not match")
    index = []
    for outer in range(math.prod(first[:dimension])):
        for base, chunk in chunks:
            index.extend(range(base + outer * chunk, base + (outer + 1) * chunk))
    return move(g, operands, index, sizes)


@operation("pad", padding_config=[(int, int, int)])
def _pad(g, operands, shape, padding_config):
    x, fill = _only(operands, 2)
    _require(fill.shape == (), "the padding value must be a scalar")
    _require(len(padding_config) == len(x.shape), "one entry per axis")
    sizes = []
    for n, (low, high, inner) in zip(x.shape, padding_config, strict=True):
        _require(inner >= 0, "negative interior padding")
        sizes.append(low + high + n + (n - 1) * inner)
    _require(tuple(sizes) == shape, "sizes do not match")
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
    x, index = _only(operands, 2)
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


# Arithmetic.


def _common(g, operands):
    """Operands of one shape; scalars are broadcast."""
    floats(operands)
    shape = max((x.shape for x in operands), key=len)
    return [g.broadcast(x, shape) for x in operands], shape


def add(g, x, y, signs=(1, 1)):
    (x, y), shape = _common(g, [x, y])
    return g.emit(Sum(signs), [x, y], shape)


def scale(g, x, factor):
    (x, factor), shape = _common(g, [x, factor])
    return g.emit(Scale(factor.known), [x], shape)


@operation("add", "add_any")
def _add(g, operands, shape):
    return add(g, *_only(operands, 2))


@operation("sub")
def _sub(g, operands, shape):
    return add(g, *_only(operands, 2), signs=(1, -1))


@operation("neg")
def _neg(g, operands, shape):
    (x,) = _only(operands, 1)
    floats([x])
    return g.emit(Sum((-1,)), [x], x.shape)


@operation("mul")
def _mul(g, operands, shape):
    x, y = _only(operands, 2)
    if x.known is not None:
        x, y = y, x
    if y.known is not None:
        return scale(g, x, y)
    if x.id == y.id:
        return OPERATIONS["square"][0](g, [x], shape)
    (x, y), _ = _common(g, [x, y])
    return OPERATIONS["_product"][0](g, [x, y], shape)


@operation("div")
def _div(g, operands, shape):
    x, y = _only(operands, 2)
    floats([x, y])
    if y.known is not None:
        return scale(g, x, g.constant(reciprocal(y.known), y.shape, y.dtype))
    inverse = OPERATIONS["_reciprocal"][0](g, [y], y.shape)
    return _mul(g, [x, inverse], shape)


def linear(g, x, blocks, matrix_exp, size, shape, radius=None):
    """Emit `Blocks`; radius gives the same blocks with the errors of the entries."""
    g.spend(sum(len(ks) * len(js) for ks, js, _ in blocks))
    if radius is not None:
        radius = Blocks(radius, matrix_exp, x.size, size)
    step = Blocks(blocks, matrix_exp, x.size, size, radius)
    return g.emit(step, [x], shape)


@operation("reduce_sum", axes=[int])
def _reduce_sum(g, operands, shape, axes):
    (x,) = _only(operands, 1)
    floats([x])
    _require(_is_order(axes, len(x.shape), False), "bad axes")
    groups = lines_along(x.shape, axes)
    ones = [[1] * len(groups[0])]
    blocks = [([k], js, ones) for k, js in enumerate(groups)]
    sizes = [n for d, n in enumerate(x.shape) if d not in axes]
    return linear(g, x, blocks, 0, len(groups), sizes)


@operation("cumsum", axis=int, reverse=bool)
def _cumsum(g, operands, shape, axis, reverse):
    (x,) = _only(operands, 1)
    floats([x])
    _require(0 <= axis < len(x.shape), "no such axis")
    n = x.shape[axis]
    g.spend(n * n)
    matrix = [[int(i >= j if reverse else i <= j) for i in range(n)] for j in range(n)]
    blocks = [(js, js, matrix) for js in lines_along(x.shape, [axis])]
    return linear(g, x, blocks, 0, x.size, x.shape)


@operation("dot_general", dimension_numbers=(([int], [int]), ([int], [int])))
def _dot_general(g, operands, shape, dimension_numbers):
    """Contract; the batch axes come first in the result, then those of each operand."""
    x, y = _only(operands, 2)
    floats([x, y])
    sums, batches = dimension_numbers
    ranks = (len(x.shape), len(y.shape))
    for axes, more, rank in zip(sums, batches, ranks, strict=True):
        _require(_is_order([*axes, *more], rank, False), "bad axes")
    for one, two in (sums, batches):
        same = [x.shape[a] for a in one] == [y.shape[b] for b in two]
        _require(len(one) == len(two) and same, "sizes do not match")
    free = [
        [d for d in range(rank) if d not in axes and d not in more]
        for axes, more, rank in zip(sums, batches, ranks, strict=True)
    ]
    sizes = [x.shape[a] for a in batches[0]]
    sizes += [v.shape[d] for v, axes in zip((x, y), free, strict=True) for d in axes]
    starts = list(
        zip(offsets(x.shape, batches[0]), offsets(y.shape, batches[1]), strict=True)
    )
    left = (offsets(x.shape, free[0]), offsets(x.shape, sums[0]))
    right = (offsets(y.shape, free[1]), offsets(y.shape, sums[1]))
    if x.known is None and y.known is None:
        g.spend(len(starts) * len(left[0]) * len(right[0]) * len(left[1]))
        pairs = [
            ([i + p + s for s in left[1]], [j + q + t for t in right[1]])
            for i, j in starts
            for p in left[0]
            for q in right[0]
        ]
        return OPERATIONS["_sum_of_products"][0](g, [x, y], sizes, pairs=pairs)
    turned = y.known is None
    if turned:
        x, y, left, right = y, x, right, left
        starts = [(i, j) for j, i in starts]
    many, other = len(left[0]), len(right[0])
    g.spend(len(starts) * many * other * len(left[1]))
    middle, radius, exp = midpoint_radius(y.known)
    blocks, errors = [], []
    for b, (i, j) in enumerate(starts):
        matrix = [[middle[j + q + t] for t in right[1]] for q in right[0]]
        if radius is not None:
            error = [[radius[j + q + t] for t in right[1]] for q in right[0]]
        for f, p in enumerate(left[0]):
            base = b * many * other
            if turned:
                ks = range(base + f, base + many * other, many)
            else:
                ks = range(base + f * other, base + (f + 1) * other)
            js = [i + p + s for s in left[1]]
            blocks.append((ks, js, matrix))
            if radius is not None:
                errors.append((ks, js, error))
    size = math.prod(sizes)
    return linear(
        g, x, blocks, exp, size, sizes, errors if radius is not None else None
    )


# The ReLU family, all by way of max(x, 0).


def relu(g, x):
    floats([x])
    return g.emit(Relu(), [x], x.shape)


def _is_zero(x) -> bool:
    return x.known is not None and x.known.exact and not any(x.known.lo)


@operation("max")
def _max(g, operands, shape):
    """max(x, c) = c + relu(x - c), and max(x, c * x) = c * x + relu((1 - c) * x)."""
    x, y = _only(operands, 2)
    if x.known is not None:
        x, y = y, x
    if _is_zero(y):
        (x, _), _ = _common(g, [x, y])
        return relu(g, x)
    if y.known is not None:
        return add(g, y, relu(g, add(g, x, y, (1, -1))))
    for one, two in ((x, y), (y, x)):  # leaky ReLU: two = c * one
        step = g.steps[two.id]
        if isinstance(step, Scale) and g.operands[two.id] == (one.id,):
            ones = [1] * one.size
            rest = total([Tensor(ones, ones, 0), negated(step.factor)])
            rest = g.constant(rest, one.shape, one.dtype)
            return add(g, two, relu(g, scale(g, one, rest)))
    (x, y), shape = _common(g, [x, y])
    return g.emit(Max(), [x, y], shape)


@operation("min")
def _min(g, operands, shape):
    x, y = (_neg(g, [v], v.shape) for v in _only(operands, 2))
    return _neg(g, [_max(g, [x, y], shape)], shape)


@operation("clamp")
def _clamp(g, operands, shape):
    low, x, high = _only(operands, 3)
    if low.known is None or high.known is None:
        raise UnsupportedCertificate("clamp between abstract values")
    return _min(g, [_max(g, [x, low], shape), high], shape)
