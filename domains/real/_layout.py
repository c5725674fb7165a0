"""Rules that move elements to known places: NumPy moves the objects.

Arrays that are still held as binary floats are moved as such.
"""

import numpy as np

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


def _broadcast(x, *, shape, broadcast_dimensions):
    aligned = np.ones(len(shape), int)
    aligned[list(broadcast_dimensions)] = x.shape
    return np.broadcast_to(x.reshape(aligned), shape)


def _reshape(x, *, new_sizes, dimensions):
    x = x if dimensions is None else x.transpose(dimensions)
    return x.reshape(new_sizes)


def _slice(x, *, start_indices, limit_indices, strides):
    strides = strides or (1,) * x.ndim
    return x[
        tuple(
            slice(a, b, s)
            for a, b, s in zip(start_indices, limit_indices, strides, strict=True)
        )
    ]


def pad(x, fill, *, padding_config):
    """Negative padding crops, after the interior was filled."""
    for axis, (before, after, inside) in enumerate(padding_config):
        n = x.shape[axis]
        size = max(n + (n - 1) * inside, 0) if n else 0
        shape = [*x.shape[:axis], size + max(before, 0) + max(after, 0)]
        padded = np.full([*shape, *x.shape[axis + 1 :]], fill[()], x.dtype)
        at = np.moveaxis(padded, axis, 0)
        first = max(before, 0)
        at[first : first + size : inside + 1] = np.moveaxis(x, axis, 0)
        last = at.shape[0] + min(after, 0)
        x = np.moveaxis(at[max(-before, 0) : max(last, -before, 0)], 0, axis)
    return x


def _expand(x, *, dimensions):
    return np.expand_dims(x, tuple(dimensions))


define("broadcast_in_dim", _broadcast)
define("reshape", _reshape)
define("transpose", lambda x, *, permutation: x.transpose(permutation))
define("squeeze", lambda x, *, dimensions: np.squeeze(x, tuple(dimensions)))
define("expand_dims", _expand)
define("concatenate", lambda *xs, dimension: np.concatenate(xs, dimension))
define("slice", _slice)
define("rev", lambda x, *, dimensions: np.flip(x, dimensions))
define("pad", pad)
define("stack", lambda *xs, axis: np.stack(xs, axis))
define("tile", lambda x, *, reps: np.tile(x, reps))


def unchanged(operation, *operands):
    """Where arrays live and what they are called is not about numbers."""
    values = [lift(x) if isinstance(x, RealArray) else x for x in operands]
    return values if operation.primitive.multiple_results else values[0]


rules.define_each(
    (
        *("copy", "copy_p", "stop_gradient", "device_put", "optimization_barrier"),
        *("sharding_constraint", "name"),
    ),
    unchanged,
)


@rules.define("split")
def _split(x, *, sizes, axis):
    ends = np.cumsum(sizes)
    at = [
        (slice(None),) * axis + (slice(e - n, e),)
        for e, n in zip(ends, sizes, strict=True)
    ]
    return [x[index] for index in at]


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
