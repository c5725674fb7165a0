"""Interval rules for sorting and for the positions of extremes.

The k-th smallest of several numbers increases with each of them, so sorted values are
bounded by the sorted endpoints. A *position*, or a value carried along with a key, is
undecided where keys overlap: there every item that may come to a place counts. An item
may come to place p if at most p items certainly come before it and at most n - 1 - p
certainly after it.
"""

import jax.numpy as jnp
from jax import lax

from torchlean_jax.domains.interval._arithmetic import nan_if
from torchlean_jax.domains.interval._kinds import kind_of
from torchlean_jax.domains.interval._value import Interval, bounds_of_dtype, rules

# Above so many (item, item) pairs any item may come to any place.
_PAIRS = 2**24


@rules.define_op("sort")
def _sort(operation, *operands):
    values = [Interval.lift(x) for x in operands]
    axis, keys = operation.params["dimension"], operation.params["num_keys"]
    run, first = operation.replace(num_keys=1), values[0]
    (lo,), (hi,) = run(first.lo), run(first.hi)
    ordered = _unless_nan(first, Interval(lo, hi), axis)
    if len(values) == 1:
        return [ordered]
    before = _before(values[:keys], axis, stable=operation.params["is_stable"])
    return [ordered, *(_carried(x, before, axis) for x in values[1:])]


@rules.define_op("top_k")
def _top_k(operation, x):
    """The largest `k` values, descending, and where they stand; of equals the first."""
    x = Interval.lift(x)
    axis = operation.params.get("axis", x.ndim - 1) % x.ndim
    k = operation.params["k"]
    values = _unless_nan(x, Interval(operation(x.lo)[0], operation(x.hi)[0]), axis)
    before = _before([_reversed(x)], axis, stable=True)
    places = lax.broadcasted_iota(jnp.int32, x.shape, axis)
    positions = _carried(Interval(places, places), before, axis)
    cut = tuple(slice(0, k) if a == axis else slice(None) for a in range(x.ndim))
    return [values, positions[cut]]


@rules.define_op("argmax")
def _argmax(operation, x):
    return _extreme(operation, Interval.lift(x))


@rules.define_op("argmin")
def _argmin(operation, x):
    return _extreme(operation, _reversed(Interval.lift(x)))


def _extreme(operation, x):
    """Places that may hold the first maximum: not below any, above all before them."""
    (axis,) = operation.params["axes"]
    least, _ = bounds_of_dtype(x.dtype)
    places = lax.broadcasted_iota(jnp.int32, x.shape, axis)
    best = jnp.max(x.lo, axis=axis, keepdims=True)
    earlier = lax.cummax(x.lo, axis=axis)
    earlier = jnp.concatenate(
        [
            jnp.full_like(lax.slice_in_dim(x.lo, 0, 1, axis=axis), least),
            lax.slice_in_dim(earlier, 0, x.shape[axis] - 1, axis=axis),
        ],
        axis=axis,
    )
    beaten = (x.hi < best) | ((x.hi <= earlier) & (places > 0))
    # a NaN is the maximum of any numbers, so where one is possible nothing is beaten
    unsure = jnp.any(x.may_be_nan, axis=axis, keepdims=True)
    possible = ~beaten | unsure
    dtype = operation.params["index_dtype"]
    lo = jnp.min(jnp.where(possible, places, x.shape[axis] - 1), axis=axis)
    hi = jnp.max(jnp.where(possible, places, 0), axis=axis)
    return Interval(lo.astype(dtype), hi.astype(dtype))


def _reversed(x):
    """An order-reversing copy: -x, or ~x for integers, which does not wrap."""
    if kind_of(x) == "integer":
        return Interval(~x.hi, ~x.lo)
    return Interval(-x.hi, -x.lo)


def _unless_nan(x, result, axis):
    """A NaN anywhere may be sorted to any place."""
    if kind_of(x) != "float":
        return result
    return nan_if(jnp.any(x.may_be_nan, axis=axis, keepdims=True), result)


def _before(keys, axis, *, stable):
    """before[..., i, j]: item i certainly precedes j. None if they are too many."""
    n = keys[0].shape[axis]
    if keys[0].size * n > _PAIRS:
        return None
    certain, tied = False, True
    lo, hi = keys[0].lo, keys[0].hi
    for key in keys:
        lo, hi = (jnp.moveaxis(e, axis, -1) for e in (key.lo, key.hi))
        certain |= tied & (hi[..., :, None] < lo[..., None, :])
        decided = lo == hi
        tied &= (
            decided[..., :, None]
            & decided[..., None, :]
            & (lo[..., :, None] == lo[..., None, :])
        )
    if not stable:
        return certain
    # equal keys keep their order; with one key it is enough that it is not above
    earlier = jnp.arange(n)[:, None] < jnp.arange(n)[None, :]
    if len(keys) == 1:
        tied = hi[..., :, None] <= lo[..., None, :]
    return certain | (tied & earlier)


def _carried(x, before, axis):
    """For each place the hull of the items of `x` that may come there."""
    n = x.shape[axis]
    least, most = bounds_of_dtype(x.dtype)
    lo, hi = (jnp.moveaxis(e, axis, -1) for e in (x.lo, x.hi))
    if before is None:
        low, high = jnp.min(lo, -1, keepdims=True), jnp.max(hi, -1, keepdims=True)
        low, high = jnp.broadcast_to(low, lo.shape), jnp.broadcast_to(high, hi.shape)
    else:
        first = jnp.sum(before, axis=-2)  # [..., j]: items certainly before j
        last = n - 1 - jnp.sum(before, axis=-1)
        place = jnp.arange(n)[:, None]
        possible = (first[..., None, :] <= place) & (place <= last[..., None, :])
        low = jnp.min(jnp.where(possible, lo[..., None, :], most), axis=-1)
        high = jnp.max(jnp.where(possible, hi[..., None, :], least), axis=-1)
    return Interval(jnp.moveaxis(low, -1, axis), jnp.moveaxis(high, -1, axis))
