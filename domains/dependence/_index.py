"""Rules for reading and writing slices at positions computed at run time.

Known positions move elements. An unknown one reads anything along its axis, and the
result depends on the position too. Scatters are in `_scatter`.
"""

import numpy as np
from jax import lax

from torchlean_jax.domains.dependence import _facts
from torchlean_jax.domains.dependence._domain import table
from torchlean_jax.domains.dependence._layout import OUTSIDE, flat, moved, picked
from torchlean_jax.domains.dependence._reduce import either
from torchlean_jax.domains.dependence._value import SetArray, anything, replaced


def blurred(x: SetArray, axes) -> SetArray:
    """Each element as any along `axes`."""
    if not axes:
        return x
    words = np.bitwise_or.reduce(x.words, axis=tuple(axes), keepdims=True)
    return anything(np.broadcast_to(words, x.words.shape), x.dtype)


def index_patterns(known: np.ndarray):
    """(which components are known, for which index vectors), for each that occurs."""
    patterns = np.unique(known.reshape(-1, known.shape[-1]), axis=0)
    for pattern in patterns:
        yield pattern, (known == pattern).all(axis=-1)


@table.define_op("gather")
def _gather(domain, operation, operand, indices):
    operand = domain.lift(operand)
    known, index = _facts.known_of(indices)
    index = np.where(known, index, 0).astype(index.dtype)
    numbers = operation.params["dimension_numbers"]
    count = np.arange(operand.size, dtype=np.int32).reshape(operand.shape)
    with_outside = operation.replace(fill_value=OUTSIDE)
    places = _facts.evaluate(with_outside, count, index)
    result = picked(domain, flat(operand), places)
    if known.all():
        return result
    deciders = either(indices.words, (indices.ndim - 1,))
    for pattern, where in index_patterns(known):
        if pattern.all():
            continue
        # the 0 in place of an unknown component lies inside, but another component that
        # is known may be outside: then the slice is filled whatever the unknown is
        axes = [
            a for a, ok in zip(numbers.start_index_map, pattern, strict=True) if not ok
        ]
        reads = picked(domain, flat(blurred(operand, axes)), places)
        chosen = np.broadcast_to(
            np.expand_dims(where, numbers.offset_dims), places.shape
        )
        beside = np.expand_dims(deciders, numbers.offset_dims)
        result = replaced(result, chosen, anything(reads.words | beside, reads.dtype))
    return result


@table.define_op("dynamic_slice")
def _dynamic_slice(domain, operation, operand, *starts):
    unknown, placed, deciders = _starts(domain, starts)
    operand = blurred(domain.lift(operand), unknown)
    (read,) = moved(domain, _at(operation, placed), operand)
    return _decided_by(read, deciders) if unknown else read


@table.define_op("dynamic_update_slice")
def _dynamic_update_slice(domain, operation, operand, update, *starts):
    operand, update = domain.lift(operand), domain.lift(update)
    unknown, placed, deciders = _starts(domain, starts)
    if not unknown:
        return moved(domain, _at(operation, placed), operand, update)[0]
    # along an axis with an unknown start, what is written may be anywhere
    anywhere = either(update.words, update_axes := tuple(unknown))
    anywhere = np.expand_dims(anywhere, update_axes)
    shape = [
        operand.shape[a] if a in unknown else n for a, n in enumerate(update.shape)
    ]
    spread = anything(
        np.broadcast_to(anywhere, (*shape, anywhere.shape[-1])), update.dtype
    )
    (written,) = moved(domain, _writer(placed), operand, spread)
    return domain.one_of([operand, _decided_by(written, deciders)], deciders)


def _starts(domain, starts):
    """(axes whose start is unknown, starts with 0 there, what those depend on)."""
    unknown = [a for a, s in enumerate(starts) if isinstance(s, SetArray)]
    placed = [np.int32(0) if a in unknown else s for a, s in enumerate(starts)]
    deciders = domain.no_words(())
    for axis in unknown:
        deciders = deciders | starts[axis].words
    return unknown, placed, deciders


def _decided_by(x: SetArray, deciders) -> SetArray:
    return anything(x.words | deciders, x.dtype)


def _at(operation, starts):
    return lambda *arrays: operation(*arrays, *starts)


def _writer(starts):
    return lambda x, update: lax.dynamic_update_slice(x, update, starts)
