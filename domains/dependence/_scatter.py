"""Rules for scatters: writing and combining at positions.

An element takes what lands on it. An update with an unknown position may land anywhere
along its axis, and where it lands depends on that position.
"""

import jax
import numpy as np
from jax import lax

from torchlean_jax.domains.dependence import _facts
from torchlean_jax.domains.dependence._domain import table
from torchlean_jax.domains.dependence._index import index_patterns
from torchlean_jax.domains.dependence._layout import OUTSIDE
from torchlean_jax.domains.dependence._reduce import either
from torchlean_jax.domains.dependence._value import SetArray


@table.define_op(
    *("scatter", "scatter-add", "scatter-sub", "scatter-mul"),
    *("scatter-max", "scatter-min"),
)
def _scatter(domain, operation, operand, indices, updates):
    operand, updates = domain.lift(operand), domain.lift(updates)
    known, index = _facts.known_of(indices)
    index = np.where(known, index, 0).astype(index.dtype)
    target = _landing(operation, operand.shape, index, updates.shape)
    words = updates.words
    if not known.all():
        deciders = either(indices.words, (index.ndim - 1,))
        words = words | np.expand_dims(deciders, _window_dims(operation))
    landed = np.zeros_like(operand.words)
    touched = np.zeros(operand.shape, int)
    for pattern, where in index_patterns(known):
        chosen = np.broadcast_to(
            np.expand_dims(where, _window_dims(operation)), updates.shape
        )
        more, hits = _landed(operand, target, words, chosen, _blur(operation, pattern))
        landed, touched = landed | more, touched + hits
    kept = operand.words
    if operation.name == "scatter" and known.all():
        return _overwritten(operand, updates, target, landed, touched)
    here = touched > 0
    return SetArray(
        landed | kept,
        operand.known & ~here,
        operand.value,
        operand.low & ~here,
        operand.dtype,
    )


def _overwritten(operand, updates, target, landed, touched) -> SetArray:
    """Written elements forget what they were; of several updates any may stay."""
    here, once = touched > 0, touched == 1
    size = operand.size
    inside = target.reshape(-1) != OUTSIDE
    places = target.reshape(-1)[inside]
    facts = []
    for name in ("known", "value", "low"):
        part = np.array(getattr(operand, name)).reshape(size)
        part[places] = getattr(updates, name).reshape(-1)[inside]
        facts.append(part.reshape(operand.shape))
    known, value, low = facts
    certain = ~here | once
    words = np.where(here[..., None], landed, operand.words)
    return SetArray(words, known & certain, value, low & certain, operand.dtype)


def _window_dims(operation):
    return operation.params["dimension_numbers"].update_window_dims


def _blur(operation, pattern):
    """The axes of the operand along which an update may land anywhere."""
    axes = operation.params["dimension_numbers"].scatter_dims_to_operand_dims
    return tuple(a for a, ok in zip(axes, pattern, strict=True) if not ok)


def _landed(operand, target, words, chosen, axes):
    """(sets of what lands on each element, by how many updates), of the chosen."""
    here = chosen & (target != OUTSIDE)
    places, rows = target[here], words[here]
    landed = np.zeros((operand.size, words.shape[-1]), np.uint32)
    hits = np.bincount(places, minlength=operand.size)
    order = np.argsort(places, kind="stable")
    distinct, first = np.unique(places[order], return_index=True)
    if distinct.size:
        landed[distinct] = np.bitwise_or.reduceat(rows[order], first, axis=0)
    landed, hits = landed.reshape(operand.words.shape), hits.reshape(operand.shape)
    if axes:
        anywhere = np.bitwise_or.reduce(landed, axis=axes, keepdims=True)
        landed = np.broadcast_to(anywhere, operand.words.shape)
        hits = np.broadcast_to(hits.sum(axis=axes, keepdims=True), operand.shape)
    return landed, hits


def _landing(operation, shape, index, update_shape) -> np.ndarray:
    """The flat position in the operand of each element of the updates: the gather with
    the same dimensions reads where the scatter writes."""
    dims = operation.params["dimension_numbers"]
    collapsed = {*dims.inserted_window_dims, *dims.operand_batching_dims}
    window = iter(dims.update_window_dims)
    sizes = [
        1 if axis in collapsed else update_shape[next(window)]
        for axis in range(len(shape))
    ]
    numbers = lax.GatherDimensionNumbers(
        offset_dims=dims.update_window_dims,
        collapsed_slice_dims=dims.inserted_window_dims,
        start_index_map=dims.scatter_dims_to_operand_dims,
        operand_batching_dims=dims.operand_batching_dims,
        start_indices_batching_dims=dims.scatter_indices_batching_dims,
    )
    count = np.arange(np.prod(shape, dtype=int), dtype=np.int32).reshape(shape)
    with jax.ensure_compile_time_eval():
        return np.asarray(
            lax.gather(
                count,
                index,
                numbers,
                tuple(sizes),
                mode=operation.params["mode"],
                fill_value=OUTSIDE,
            )
        )
