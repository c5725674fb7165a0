"""Rules that move elements to known places: NumPy moves the objects.

Arrays that are still held as binary floats are moved as such.
"""

import numpy as np

from torchlean_jax.domains._moves import MOVES, pieces
from torchlean_jax.domains.real._domain import Real
from torchlean_jax.domains.real._value import RealArray, lift, rules


def moved(move, *operands: RealArray, dtype=None) -> RealArray:
    """`move` of the arrays of elements, which only places them anew."""
    dtype = operands[0].dtype if dtype is None else dtype
    held = [x.held for x in operands]
    if all(h is not None and h.dtype == dtype for h in held):
        return RealArray.holding(np.asarray(move(*held)))
    finite = all(x.known_finite for x in operands) or None
    return RealArray(move(*[x.balls for x in operands]), dtype, finite=finite)


def define(name, move):
    @rules.define(name)
    def rule(*operands, **params):
        return moved(lambda *arrays: move(*arrays, **params), *operands)


for _name, _move in MOVES.items():
    define(_name, _move)


def unchanged(operation, *operands):
    """Where arrays live and what they are called is not about numbers."""
    values = [lift(x) if isinstance(x, RealArray) else x for x in operands]
    return values if operation.primitive.multiple_results else values[0]


rules.define_each(
    (
        *("copy", "copy_p", "stop_gradient", "device_put", "optimization_barrier"),
        *("sharding_constraint", "reshard", "name"),
    ),
    unchanged,
)


@rules.define("split")
def _split(x, *, sizes, axis):
    return [x[at] for at in pieces(sizes, axis)]


@rules.define("unstack")
def _unstack(x, *, axis):
    return [x[(slice(None),) * axis + (i,)] for i in range(x.shape[axis])]


@rules.define_op("select_n")
def _select(operation, which, *cases):
    """The predicate is decided; a case that is not chosen may be anything."""
    which = np.asarray(which).astype(int)

    def choose(*arrays):
        result = np.array(np.broadcast_to(arrays[0], np.shape(arrays[0])))
        for number, array in enumerate(arrays[1:], 1):
            mask = np.broadcast_to(which == number, result.shape)
            result[mask] = array[mask]
        return result

    return moved(choose, *map(lift, cases))


@rules.define_op("empty", "empty2")
def _empty(operation):
    """Memory that nobody has written yet may hold anything."""
    shape = operation.params.get("shape", ())  # empty2 makes scalars
    return Real.unknown(shape, operation.params["dtype"])


@rules.define("iota")
def _iota(*, dtype, shape, dimension):
    """Whole numbers, also where the dtype would skip some."""
    counts = np.arange(shape[dimension])
    aligned = np.ones(len(shape), int)
    aligned[dimension] = shape[dimension]
    counts = np.broadcast_to(counts.reshape(aligned), shape)
    return RealArray(lift(counts).balls, dtype, finite=True)
