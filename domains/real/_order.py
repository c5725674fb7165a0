"""Rules for sorting and for the positions of extremes.

Sorted values alone need no decision: the k-th smallest number lies between the k-th
smallest lower and the k-th smallest upper end. Positions, and what is carried along
with a key, are decided or an error. Of equal numbers the first stays first; a NaN
counts as the largest.
"""

import functools
import itertools

import numpy as np

from torchlean_jax.domains.real._compare import equal, less
from torchlean_jax.domains.real._flint import (
    TooFewBitsError,
    flint,
    is_decided,
    is_no_number,
)
from torchlean_jax.domains.real._value import RealArray, lift, rules


def _lanes(array, axis):
    return np.moveaxis(array, axis, -1).reshape(-1, array.shape[axis])


def _back(lanes, shape, axis):
    moved = [n for a, n in enumerate(shape) if a != axis] + [lanes.shape[-1]]
    return np.moveaxis(lanes.reshape(moved), -1, axis)


@rules.define_op("sort")
def _sort(operation, *operands):
    axis, keys = operation.params["dimension"], operation.params["num_keys"]
    if len(operands) == 1:
        x = lift(operands[0])
        lanes = np.array([_ordered(lane) for lane in _lanes(x.balls, axis)], object)
        lanes = lanes.reshape(-1, x.shape[axis])
        return [RealArray(_back(lanes, x.shape, axis), x.dtype)]
    arrays = [x.balls if isinstance(x, RealArray) else np.asarray(x) for x in operands]
    lanes = [_lanes(a, axis) for a in arrays]
    orders = [
        decided_order([lane[row] for lane in lanes[:keys]])
        for row in range(len(lanes[0]))
    ]
    return [
        _picked(x, lane, orders, axis) for x, lane in zip(operands, lanes, strict=True)
    ]


def _picked(x, lanes, orders, axis):
    """The lanes of `x` in their orders, as the kind of array that `x` is."""
    rows = [lane[order] for lane, order in zip(lanes, orders, strict=True)]
    picked = np.array(rows, lanes.dtype).reshape(-1, x.shape[axis])
    picked = _back(picked, x.shape, axis)
    if not isinstance(x, RealArray):
        return picked
    return RealArray(picked, x.dtype, finite=x.known_finite or None)


def _ordered(balls):
    """The balls sorted; where neighbours overlap, a ball for each place."""
    numbers = [b for b in balls if not is_no_number(b)]
    rest = [b for b in balls if is_no_number(b)]
    _require_known(numbers)
    by_middle = sorted(numbers, key=lambda b: b.mid())
    neighbours = itertools.pairwise(by_middle)
    if all(a < b or a == b for a, b in neighbours):
        return by_middle + rest
    ends = (sorted(b.lower() for b in numbers), sorted(b.upper() for b in numbers))
    return [lo.union(hi) for lo, hi in zip(*ends, strict=True)] + rest


def _require_known(balls):
    if not all(map(is_decided, balls)):
        raise TooFewBitsError("an order is undecided: an element is unknown")


def decided_order(keys) -> list[int]:
    """The stable order of lanes of keys, the first key first."""
    if len(keys) == 1 and isinstance(keys[0][0], flint().arb):
        return _decided_by_one(keys[0])

    def compare(i, j):
        for key in keys:
            a, b = key[i], key[j]
            if isinstance(a, int | np.integer | np.bool_):
                if a != b:
                    return -1 if a < b else 1
            elif not _same(a, b):
                return -1 if _before(a, b) else 1
        return 0

    return sorted(range(len(keys[0])), key=functools.cmp_to_key(compare))


def _decided_by_one(balls):
    """Sorted by middles, which is the order if neighbours are apart or the same."""
    middles = [b.mid() for b in balls]
    numbers = [i for i, b in enumerate(balls) if not is_no_number(b)]
    rest = [i for i, b in enumerate(balls) if is_no_number(b)]
    order = sorted(numbers, key=middles.__getitem__)
    for i, j in itertools.pairwise(order):
        if not (balls[i] < balls[j] or _same(balls[i], balls[j])):
            raise TooFewBitsError("an order is undecided: the balls overlap")
    return order + rest


def _same(a, b):
    if is_no_number(a) or is_no_number(b):
        return is_no_number(a) and is_no_number(b)
    # balls that overlap are either of the two, unless both are the same point
    return equal(a, b)


def _before(a, b):
    if is_no_number(a) or is_no_number(b):
        return is_no_number(b)
    return less(a, b)


@rules.define("top_k")
def _top_k(x, *, k, axis=-1, is_stable=True):
    """The largest `k`, descending, and where they stand; of equals the first."""
    axis = axis % x.ndim
    lanes = _lanes(x.balls, axis)
    orders = np.array([_descending(lane)[:k] for lane in lanes], np.int32)
    orders = orders.reshape(len(lanes), k)
    values = np.take_along_axis(lanes, orders, -1)
    shape = x.shape
    balls = RealArray(
        _back(values, shape, axis), x.dtype, finite=x.known_finite or None
    )
    return [balls, _back(orders, shape, axis)]


def _descending(balls):
    ascending = _decided_by_one(balls[::-1])
    return [len(balls) - 1 - i for i in reversed(ascending)]


def first_extreme(balls, largest: bool) -> int:
    """The position of the first largest (smallest) of some balls, decided."""
    best = 0
    for i in range(1, len(balls)):
        a, b = balls[best], balls[i]
        if is_no_number(a):
            return best
        if is_no_number(b) or (not _same(a, b) and _before(a, b) == largest):
            best = i
    return best


def _define_extreme(name, largest):
    @rules.define(name)
    def rule(x, *, axes, index_dtype):
        (axis,) = axes
        lanes = _lanes(x.balls, axis)
        found = [first_extreme(lane, largest) for lane in lanes]
        shape = [n for a, n in enumerate(x.shape) if a != axis]
        return np.array(found, index_dtype).reshape(shape)


_define_extreme("argmax", True)
_define_extreme("argmin", False)
