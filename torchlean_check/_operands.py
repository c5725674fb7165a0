"""What operations have in common: checks of operands, and the plain linear steps."""

from torchlean_check._linear import Blocks, Move, Scale, Sum
from torchlean_check._schema import FLOATS, checked_shape, fail


def only(operands, count: int):
    if len(operands) != count:
        fail("in", f"takes {count} operands, given {len(operands)}")
    return operands


def floats(operands) -> None:
    for x in operands:
        if x.dtype not in FLOATS:
            fail("in", f"operand of dtype {x.dtype}; real arithmetic needs floats")


def require(condition, what: str) -> None:
    if not condition:
        fail("params", what)


def is_order(axes, rank: int, every: bool) -> bool:
    proper = len(set(axes)) == len(axes) and all(0 <= a < rank for a in axes)
    return proper and (len(axes) == rank or not every)


def move(g, operands, index, shape, fill=None):
    sizes = [x.size for x in operands]
    g.spend(len(index) + sum(sizes))
    return g.emit(Move(index, sizes, fill), operands, shape)


def common(g, operands):
    """Operands of one shape; scalars and axes of size 1 are broadcast."""
    floats(operands)
    rank = max(len(x.shape) for x in operands)
    sizes = zip(*(x.shape for x in operands if len(x.shape) == rank), strict=True)
    shape = checked_shape([max(axis) for axis in sizes], "in")
    return [g.broadcast(x, shape) for x in operands], shape


def add(g, x, y, signs=(1, 1)):
    (x, y), shape = common(g, [x, y])
    return g.emit(Sum(signs), [x, y], shape)


def scale(g, x, factor):
    (x, factor), shape = common(g, [x, factor])
    return g.emit(Scale(factor.known), [x], shape)


def linear(g, x, blocks, matrix_exp, size, shape, radius=None):
    """Emit `Blocks`; radius gives the same blocks with the errors of the entries."""
    g.spend(sum(len(ks) * len(js) for ks, js, _ in blocks))
    if radius is not None:
        radius = Blocks(radius, matrix_exp, x.size, size)
    step = Blocks(blocks, matrix_exp, x.size, size, radius)
    return g.emit(step, [x], shape)
