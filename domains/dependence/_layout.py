"""Rules that move elements to known places.

Which element comes from where is left to JAX: it moves the numbers 0, 1, 2... in place
of the elements.
"""

import jax
import numpy as np

from torchlean_jax.domains import _families
from torchlean_jax.domains.dependence._domain import table
from torchlean_jax.domains.dependence._value import Elements, SetArray, concatenated

OUTSIDE = -1


def _moved(domain, operation, *operands):
    results = moved(domain, operation, *operands)
    return results if operation.primitive.multiple_results else results[0]


def _unchanged(domain, operation, *operands):
    """Where arrays live and what they are called is not about sets."""
    values = [domain.lift(x) for x in operands]
    return values if operation.primitive.multiple_results else values[0]


_UNCHANGED = frozenset(
    (
        *("copy", "copy_p", "stop_gradient", "device_put", "optimization_barrier"),
        *("sharding_constraint", "reshard", "name"),
    )
)
# What NumPy does without a copy: a broadcast layer stays as small as it was.
_VIEWS = {
    "broadcast_in_dim": lambda x, rest, shape, broadcast_dimensions: np.broadcast_to(
        x.reshape(_aligned(x.shape, shape, broadcast_dimensions) + rest),
        (*shape, *rest),
    ),
    "transpose": lambda x, rest, permutation: x.transpose(
        [*permutation, *range(len(permutation), x.ndim)]
    ),
    "reshape": lambda x, rest, new_sizes, dimensions: x.reshape((*new_sizes, *rest)),
}


def _aligned(source, shape, dimensions):
    sizes = [1] * len(shape)
    for axis, size in zip(dimensions, source, strict=False):
        sizes[axis] = size
    return tuple(sizes)


def _viewed(domain, operation, x):
    x, params = domain.lift(x), dict(operation.params)
    if params.get("dimensions") is not None:
        return _moved(domain, operation, x)
    move = _VIEWS[operation.name]
    return SetArray(
        move(x.words, x.words.shape[-1:], **params),
        move(np.asarray(x.known), (), **params),
        move(np.asarray(x.value), (), **params),
        move(np.asarray(x.low), (), **params),
        x.dtype,
    )


table.define_each(_UNCHANGED, _unchanged)
table.define_each(_VIEWS, _viewed)
table.define_each(
    [
        name
        for name in _families.LAYOUT
        if name not in ("real", "imag", *_UNCHANGED, *_VIEWS)
    ],
    _moved,
)


def moved(domain, operation, *operands) -> list[SetArray]:
    """The elements of `operands`, at the places to which `operation` moves them."""
    values = [domain.lift(x) for x in operands]
    pool = _pooled(values)
    return [picked(domain, pool, places) for places in _places(operation, values)]


def _places(operation, values):
    """For each element of the results its number among all elements of `values`."""
    numbers, start = [], 0
    for value in values:
        count = np.arange(start, start + value.size, dtype=np.int32)
        numbers.append(count.reshape(value.shape))
        start += value.size
    with jax.ensure_compile_time_eval():
        return list(map(np.asarray, jax.tree.leaves(operation(*numbers))))


def _pooled(values) -> SetArray:
    if len(values) == 1:
        return flat(values[0])
    return concatenated([flat(value) for value in values])


def flat(x: SetArray) -> SetArray:
    return SetArray(
        x.words.reshape(-1, x.words.shape[-1]),
        x.known.reshape(-1),
        x.value.reshape(-1),
        x.low.reshape(-1),
        x.dtype,
    )


def picked(domain, pool: SetArray, places: Elements) -> SetArray:
    """The elements of a flat `pool` at `places`; a constant where that is `OUTSIDE`."""
    if not pool.size:
        return domain.unknown(places.shape, pool.dtype)
    inside = places != OUTSIDE
    known, low = pool.known[places] & inside, pool.low[places] & inside
    words = pool.words[places]
    if not inside.all():
        words = np.where(inside[..., None], words, np.uint32(0))
    value = pool.value[places]
    return SetArray(words, known, value, low, pool.dtype)


@table.define_op("empty", "empty2")
def _empty(domain, operation):
    """Memory that nobody has written yet: anything, but nothing of the inputs."""
    return domain.unknown(operation.params["shape"], operation.params["dtype"])


@table.define_op("iota")
def _iota(domain, operation):
    return domain.lift(operation())


@table.define_op("bitcast_convert_type")
def _bitcast(domain, operation, x):
    """The same bits under another dtype; a change of size adds or drops a last axis."""
    x = domain.lift(x)
    size = np.dtype(operation.params["new_dtype"]).itemsize
    words = x.words
    if size < x.dtype.itemsize:
        words = np.repeat(words[..., None, :], x.dtype.itemsize // size, -2)
    elif size > x.dtype.itemsize:
        words = np.bitwise_or.reduce(words, axis=-2)
    unknown = domain.unknown(words.shape[:-1], operation.params["new_dtype"])
    return SetArray(words, unknown.known, unknown.value, unknown.low, unknown.dtype)
