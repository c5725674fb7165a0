"""Interval rules for reading and writing at positions computed at run time.

With decided positions elements are merely moved. With undecided ones the result covers
every position that is possible: each is tried, up to a cap, past which the whole
operand counts. Scatters are in `_scatter.py`.
"""

import itertools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from torchlean_jax.domains.interval._layout import endpointwise
from torchlean_jax.domains.interval._value import Interval, bounds_of_dtype, rules

# So many positions are tried one by one.
_TRIES = 4096


@rules.define_op("gather")
def _gather(operation, operand, indices):
    if not isinstance(indices, Interval):
        return _at(operation, operand, indices)
    operand = Interval.lift(operand)
    numbers = operation.params["dimension_numbers"]
    sizes = operation.params["slice_sizes"]
    axes = numbers.start_index_map
    last = np.array([operand.shape[a] - sizes[a] for a in axes])
    lo, hi = jnp.clip(indices.lo, 0, last), jnp.clip(indices.hi, 0, last)

    def read(position):
        return _at(
            operation, operand, jnp.broadcast_to(position, lo.shape).astype(lo.dtype)
        )

    def possible(position):
        hit = jnp.all((lo <= position) & (position <= hi), axis=-1)
        return _beside_slices(hit, numbers.offset_dims)

    result = _try_each([range(n + 1) for n in last], read, possible)
    if result is None:
        hull = _sliding_hull(operand, {a: sizes[a] for a in axes})
        result = _at(operation, hull, jnp.zeros_like(lo))
    if "FILL" not in str(operation.params["mode"]):
        return result
    outside = jnp.any((indices.lo < 0) | (indices.hi > last), axis=-1)
    outside = _beside_slices(outside, numbers.offset_dims)
    filling = Interval.unknown(result.shape, result.dtype)
    inside = jnp.broadcast_to(~outside, result.shape)
    return jax.tree.map(lambda a, b: jnp.where(inside, a, b), result, filling)


def _beside_slices(batch, offset_dims):
    """A flag per slice, with axes of size 1 where the output has those of the slice."""
    return jnp.expand_dims(batch, offset_dims)


@rules.define_op("dynamic_slice")
def _dynamic_slice(operation, operand, *starts):
    if not any(isinstance(s, Interval) for s in starts):
        return _at(operation, operand, *starts)
    operand = Interval.lift(operand)
    sizes = operation.params["slice_sizes"]
    undecided = _undecided(operand.shape, sizes, starts)
    result = _try_each(
        [range(n + 1) for n, _, _ in undecided.values()],
        lambda position: _at(operation, operand, *_placed(starts, undecided, position)),
        lambda position: _all_possible(undecided, position),
    )
    if result is None:
        hull = _sliding_hull(operand, {a: sizes[a] for a in undecided})
        result = _at(operation, hull, *_placed(starts, undecided, [0] * len(starts)))
    return result


@rules.define_op("dynamic_update_slice")
def _dynamic_update_slice(operation, operand, update, *starts):
    if not any(isinstance(s, Interval) for s in starts):
        operand, update = Interval.lift(operand), Interval.lift(update)
        lo = operation(operand.lo, update.lo, *starts)
        return Interval(lo, operation(operand.hi, update.hi, *starts))
    operand, update = Interval.lift(operand), Interval.lift(update)
    undecided = _undecided(operand.shape, update.shape, starts)

    def write(position):
        placed = _placed(starts, undecided, position)
        lo = operation(operand.lo, update.lo, *placed)
        return Interval(lo, operation(operand.hi, update.hi, *placed))

    result = _try_each(
        [range(n + 1) for n, _, _ in undecided.values()],
        write,
        lambda position: _all_possible(undecided, position),
    )
    if result is None:
        anything = Interval(jnp.min(update.lo), jnp.max(update.hi))
        result = Interval.join([operand, anything], [True, True])
    return result


def _at(operation, operand, *positions) -> Any:
    """The move that `operation` makes, on both endpoints."""
    return endpointwise(lambda x: operation(x, *positions), operand)


def _undecided(shape, sizes, starts):
    """Per axis with an undecided start: (last, lowest possible, highest possible)."""
    found = {}
    for axis, start in enumerate(starts):
        if isinstance(start, Interval):
            last = shape[axis] - sizes[axis]
            found[axis] = last, jnp.clip(start.lo, 0, last), jnp.clip(start.hi, 0, last)
    return found


def _placed(starts, undecided, position):
    position = iter(position)
    return [
        jnp.asarray(next(position), start.dtype) if axis in undecided else start
        for axis, start in enumerate(starts)
    ]


def _all_possible(undecided, position):
    flags = [
        (lo <= p) & (p <= hi)
        for (_, lo, hi), p in zip(undecided.values(), position, strict=True)
    ]
    return jnp.all(jnp.stack(flags))


def _try_each(ranges, outcome, possible):
    """The hull of `outcome(p)` over the possible p; None if they are too many."""
    if np.prod([len(r) for r in ranges], dtype=np.int64) > _TRIES:
        return None
    positions = jnp.asarray(np.array(list(itertools.product(*ranges)), np.int32))
    result = jax.eval_shape(lambda p: outcome(p).lo, positions[0])
    least, most = bounds_of_dtype(result.dtype)
    nothing = Interval(jnp.full(result.shape, most), jnp.full(result.shape, least))

    def step(hull, position):
        flag = jnp.broadcast_to(possible(position), result.shape)
        return Interval.join([hull, outcome(position)], [True, flag]), None

    return lax.scan(step, nothing, positions)[0]


def _sliding_hull(x, sizes):
    """What a slice of the given sizes may hold wherever it starts along those axes."""
    window = [x.shape[a] - sizes[a] + 1 if a in sizes else 1 for a in range(x.ndim)]
    least, most = bounds_of_dtype(x.dtype)
    ones = [1] * x.ndim
    lo = lax.reduce_window(x.lo, most, lax.min, window, ones, "VALID")
    hi = lax.reduce_window(x.hi, least, lax.max, window, ones, "VALID")
    nan = lax.reduce_window(x.may_be_nan, False, lax.bitwise_or, window, ones, "VALID")
    if jnp.issubdtype(x.dtype, jnp.floating):
        lo, hi = jnp.where(nan, jnp.nan, lo), jnp.where(nan, jnp.nan, hi)
    return Interval(lo, hi)
