"""Rules for reductions, running totals and sliding windows."""

import functools

import numpy as np

from torchlean_jax.domains._windows import PADDING, Windows
from torchlean_jax.domains.finite_field._arithmetic import multiply, negate, result
from torchlean_jax.domains.finite_field._compare import inverted_flag
from torchlean_jax.domains.finite_field._exponential import exp, log
from torchlean_jax.domains.finite_field._order import extreme
from torchlean_jax.domains.finite_field._value import (
    MINUS_INFINITY,
    PLUS_INFINITY,
    UNDEFINED,
    FieldArray,
    kinds_of,
    moved,
    rules,
)


def total(field, x: FieldArray, axes) -> FieldArray:
    """The sum over axes. 2**32 residues below 2**31 fit into 64 bits."""
    axes = tuple(axes)
    count = int(np.prod([x.shape[a] for a in axes], dtype=int))
    shifted = tuple(a + x.residues.ndim - x.ndim for a in axes)
    sums = x.residues.sum(shifted)
    moduli = np.array(field.moduli, np.uint64).reshape(4, *(1,) * (sums.ndim - 1))
    kinds = None if x.kinds is None else _kinds_of_total(x.kinds, axes)
    degree = x.degree.summed(count)
    return result(sums % moduli, x, kinds=kinds, degree=degree, positive=True)


def _kinds_of_total(kinds, axes):
    low, high = ((kinds == k).any(axes) for k in (MINUS_INFINITY, PLUS_INFINITY))
    undefined = (kinds == UNDEFINED).any(axes) | (low & high)
    result = np.where(low, MINUS_INFINITY, np.where(high, PLUS_INFINITY, 0))
    return np.where(undefined, UNDEFINED, result).astype(np.uint8)


@rules.define("reduce_sum")
def _reduce_sum(field, x, *, axes):
    return total(field, x, axes)


def _product(field, x, axes):
    """Of the elements one after the other; of none it is 1."""
    kept = [a for a in range(x.ndim) if a not in axes]
    shape = [x.shape[a] for a in kept]
    rows = x.moved(lambda a: a.transpose([*axes, *kept]).reshape(-1, *shape))
    one = field.lift(np.ones(shape, x.dtype))
    return functools.reduce(functools.partial(multiply, field), rows, one)


@rules.define("reduce_prod", "reduce_and")
def _reduce_prod(field, x, *, axes):
    return _product(field, x, axes)


@rules.define("reduce_or")
def _reduce_or(field, x, *, axes):
    return inverted_flag(field, _product(field, inverted_flag(field, x), axes))


@rules.define("reduce_max")
def _reduce_max(field, x, *, axes):
    return extreme(field, x, axes)


@rules.define("reduce_min")
def _reduce_min(field, x, *, axes):
    return negate(field, extreme(field, negate(field, x), axes))


@rules.define("cumsum")
def cumsum(field, x, *, axis, reverse):
    axis_of_residues = axis + x.residues.ndim - x.ndim
    turn = np.flip if reverse else lambda a, at: a
    rows = turn(x.residues, axis_of_residues).cumsum(axis_of_residues)
    moduli = np.array(field.moduli, np.uint64).reshape(4, *(1,) * (rows.ndim - 1))
    residues = turn(rows % moduli, axis_of_residues)
    kinds = None
    if x.kinds is not None:
        wild = np.maximum.accumulate(turn(kinds_of(x) != 0, axis), axis)
        kinds = turn(np.where(wild, UNDEFINED, 0).astype(np.uint8), axis)
    degree = x.degree.summed(x.shape[axis])
    return result(residues, x, kinds=kinds, degree=degree, positive=True)


def _running(field, x, axis, reverse, step):
    places = range(x.shape[axis])
    lead = (slice(None),) * axis
    rows, value = [], None
    for k in reversed(places) if reverse else places:
        row = x[(*lead, k)]
        value = row if value is None else step(value, row)
        rows.append(value)
    if reverse:
        rows.reverse()
    return moved(lambda *each: np.stack(each, axis), *rows) if rows else x


@rules.define("cumprod")
def _cumprod(field, x, *, axis, reverse):
    return _running(field, x, axis, reverse, functools.partial(multiply, field))


@rules.define("cummax")
def _cummax(field, x, *, axis, reverse):
    def step(a, b):
        pair = moved(lambda *each: np.stack(each), a, b)
        return extreme(field, pair, (0,))

    return _running(field, x, axis, reverse, step)


@rules.define("cummin")
def _cummin(field, x, *, axis, reverse):
    opposite = _cummax(field, negate(field, x), axis=axis, reverse=reverse)
    return negate(field, opposite)


@rules.define("cumlogsumexp")
def _cumlogsumexp(field, x, *, axis, reverse):
    return log(field, cumsum(field, exp(field, x), axis=axis, reverse=reverse))


def _windows(field, x, fill, params):
    """[*windows, *window] elements, `fill` where a window sticks out."""
    places = Windows.of(**params).positions(x.shape)
    outside = field.lift(np.asarray(fill, np.float64))
    assert PADDING == -1  # the element that is appended
    return moved(lambda a, f: np.append(a.reshape(-1), f)[places], x, outside)


def _over_windows(reduction, fill):
    def rule(field, x, **params):
        windows = _windows(field, x, fill, params)
        return reduction(field, windows, tuple(range(x.ndim, 2 * x.ndim)))

    return rule


rules.define("reduce_window_sum")(_over_windows(total, 0.0))
rules.define("reduce_window_max")(_over_windows(extreme, -np.inf))


@rules.define("reduce_window_min")
def _window_min(field, x, **params):
    rule = _over_windows(extreme, -np.inf)
    return negate(field, rule(field, negate(field, x), **params))
