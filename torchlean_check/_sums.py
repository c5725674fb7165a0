"""What sums of many terms carry and round, in an execution, in any order.

Source: Higham, Accuracy and Stability of Numerical Algorithms, 2nd ed., sections 3.1
and 4.2: of n terms each takes part in at most n - 1 roundings, whatever the tree of the
sum, and a product in one more.
"""

import math
from fractions import Fraction

from torchlean_check._executions import (
    FORMATS,
    ONE,
    Node,
    Number,
    Rounded,
    accumulated,
    grown,
    limit,
    plus,
    rounding,
    times,
    up,
)


def _reach(step, values: list[int]) -> list[int]:
    """|W| @ values for the matrix of a linear step."""
    found = step.apply(values, absolute=True)
    if step.radius is not None:
        found = plus(found, step.radius.apply(values))
    return grown(Fraction(2) ** step.exp, found)


@rounding("reduce_sum", "cumsum", "reduce_window_sum")
def _sum(node: Node):
    """n terms take part in at most n - 1 roundings, whatever the tree of the sum."""
    (x,), params = node.operands, node.params
    step, _ = node.program.made(node.result)
    sizes = params.get("window_dimensions")
    if sizes is None:
        axes = params.get("axes", [params.get("axis")])
        sizes = [x.value.shape[axis] for axis in axes]
    n = math.prod(sizes)
    if n <= 1:
        return _reach(step, x.errors)
    relative, reach = accumulated(node.format.unit, n - 1), _reach(step, x.read)
    absolute = [a + 2 * n * node.format.tiny for a in grown(relative, reach)]
    limit(node, plus(reach, absolute))
    return Rounded(_reach(step, x.errors), absolute=absolute)


@rounding("dot_general")
def _dot_general(node: Node):
    x, y = node.operands
    (axes, _), _ = node.params["dimension_numbers"]
    n = math.prod(x.value.shape[axis] for axis in axes)
    if x.value.known is None and y.value.known is None:
        return _contraction(node, n, *_products(node))
    _, operands = node.program.made(node.result)
    if operands[0] != x.value.id:
        x, y = y, x
    return _contraction(node, n, *_weighted(node, x, y))


@rounding("conv_general_dilated")
def _conv(node: Node):
    x, kernel = node.operands
    outs = kernel.value.shape[node.params["dimension_numbers"][1][0]]
    n = kernel.value.size // outs
    return _contraction(node, n, *_weighted(node, x, kernel))


def _weighted(node: Node, x: Number, weights: Number):
    """(sum |w'| |x'|, sum |w| |x' - x| + |w' - w| |x'|), no x counting twice."""
    step, _ = node.program.made(node.result)
    more = up(Fraction(max(weights.errors) * sum(x.read), ONE))
    reach = [a + more for a in _reach(step, x.read)]
    return reach, [a + more for a in _reach(step, x.errors)]


def _products(node: Node):
    """The same for a sum of products, which the graph has as moves, products, sums."""
    program = node.program
    summing, (each,) = program.made(node.result)
    sides = []
    for flat in program.operands[each]:
        move, (source,) = program.steps[flat], program.operands[flat]
        number = node.executions.number(program.values[source])
        sides.append(number.at(move.index))
    x, y = sides
    carried = plus(times(x.errors, y.read), times(x.real, y.errors))
    return _reach(summing, times(x.read, y.read)), _reach(summing, carried)


def _contraction(node: Node, n: int, reach: list[int], carried: list[int]):
    """Every product takes part in at most n roundings, and may be lost where it is
    subnormal, as may each sum; a result narrower than its sums rounds once more."""
    model, inner = node.model, FORMATS["float32"]
    if node.format.precision > inner.precision:
        inner = node.format
    steps = accumulated(inner.unit, n * Fraction(model.rounding, 100))
    relative = (1 + model.operand) ** 2 * (1 + steps) - 1
    absolute = [a + 4 * (n + 1) * inner.tiny for a in grown(relative, reach)]
    for kind in (inner, node.format):
        limit(node, plus(reach, absolute), kind)
    last = Fraction(0) if inner is node.format else node.format.unit
    absolute = plus(absolute, grown(last, absolute))
    return Rounded(carried, last, absolute)
