"""Sums, products with known factors, and contractions with known operands."""

import math

from torchlean_check._graph import OPERATIONS, operation
from torchlean_check._layout import lines_along, offsets
from torchlean_check._linear import Sum
from torchlean_check._operands import (
    add,
    common,
    floats,
    is_order,
    linear,
    only,
    require,
    scale,
)
from torchlean_check._tensor import midpoint_radius, reciprocal


@operation("add", "add_any")
def _add(g, operands, shape):
    return add(g, *only(operands, 2))


@operation("sub")
def _sub(g, operands, shape):
    return add(g, *only(operands, 2), signs=(1, -1))


def negative(g, x):
    floats([x])
    return g.emit(Sum((-1,)), [x], x.shape)


@operation("neg")
def _neg(g, operands, shape):
    return negative(g, *only(operands, 1))


@operation("mul")
def _mul(g, operands, shape):
    x, y = only(operands, 2)
    if x.known is not None:
        x, y = y, x
    if y.known is not None:
        return scale(g, x, y)
    if x.id == y.id:
        return OPERATIONS["square"][0](g, [x], shape)
    (x, y), _ = common(g, [x, y])
    return OPERATIONS["_product"][0](g, [x, y], shape)


@operation("div")
def _div(g, operands, shape):
    x, y = only(operands, 2)
    floats([x, y])
    if y.known is not None:
        return scale(g, x, g.constant(reciprocal(y.known), y.shape, y.dtype))
    inverse = OPERATIONS["_reciprocal"][0](g, [y], y.shape)
    return _mul(g, [x, inverse], shape)


@operation("reduce_sum", axes=[int])
def _reduce_sum(g, operands, shape, axes):
    (x,) = only(operands, 1)
    floats([x])
    require(is_order(axes, len(x.shape), False), "bad axes")
    groups = lines_along(x.shape, axes)
    ones = [[1] * len(groups[0])]
    blocks = [([k], js, ones) for k, js in enumerate(groups)]
    sizes = [n for d, n in enumerate(x.shape) if d not in axes]
    return linear(g, x, blocks, 0, len(groups), sizes)


@operation("cumsum", axis=int, reverse=bool)
def _cumsum(g, operands, shape, axis, reverse):
    (x,) = only(operands, 1)
    floats([x])
    require(0 <= axis < len(x.shape), "no such axis")
    n = x.shape[axis]
    g.spend(n * n)
    matrix = [[int(i >= j if reverse else i <= j) for i in range(n)] for j in range(n)]
    blocks = [(js, js, matrix) for js in lines_along(x.shape, [axis])]
    return linear(g, x, blocks, 0, x.size, x.shape)


@operation("dot_general", dimension_numbers=(([int], [int]), ([int], [int])))
def _dot_general(g, operands, shape, dimension_numbers):
    """Contract; the batch axes come first in the result, then those of each operand."""
    x, y = only(operands, 2)
    floats([x, y])
    sums, batches = dimension_numbers
    for v, axes, more in zip((x, y), sums, batches, strict=True):
        require(is_order([*axes, *more], len(v.shape), False), "bad axes")
    for one, two in (sums, batches):
        same = [x.shape[a] for a in one] == [y.shape[b] for b in two]
        require(same, "sizes do not match")
    sides, sizes = [], [x.shape[a] for a in batches[0]]
    for v, axes, more in zip((x, y), sums, batches, strict=True):
        free = [d for d in range(len(v.shape)) if d not in axes and d not in more]
        sizes += [v.shape[d] for d in free]
        sides.append([offsets(v.shape, part) for part in (more, free, axes)])
    g.spend(math.prod(sizes) * len(sides[0][2]))
    if x.known is None and y.known is None:
        return OPERATIONS["_sum_of_products"][0](g, [x, y], sizes, sides=sides)
    turned = y.known is None
    if turned:
        x, y, sides = y, x, sides[::-1]
    middle, radius, exp = midpoint_radius(y.known)
    blocks = _dot_blocks(sides, turned, middle)
    errors = None if radius is None else _dot_blocks(sides, turned, radius)
    return linear(g, x, blocks, exp, math.prod(sizes), sizes, errors)


def _dot_blocks(sides, turned: bool, weights) -> list:
    """One block for each batch and each place along the free axes of the operand."""
    (starts, frees, sums), (known_starts, known_frees, known_sums) = sides
    many, other, blocks = len(frees), len(known_frees), []
    for b, (i, j) in enumerate(zip(starts, known_starts, strict=True)):
        matrix = [[weights[j + q + t] for t in known_sums] for q in known_frees]
        first = b * many * other
        for f, p in enumerate(frees):
            if turned:  # the known operand's free axes come first in the result
                ks = range(first + f, first + many * other, many)
            else:
                ks = range(first + f * other, first + (f + 1) * other)
            blocks.append((ks, [i + p + s for s in sums], matrix))
    return blocks
