"""Applying a function of balls to each element of arrays, infinities and all.

python-flint's functions are used as they are on finite balls. The few elements that
are not finite, before or after, go one by one through `careful`, which tells apart
what Arb's NaN leaves open: no number, and unknown at this precision.
"""

import functools
import operator
from typing import Any

import numpy as np

from torchlean_jax.domains.real._flint import (
    flint,
    is_infinite,
    is_no_number,
    no_number,
    unknown,
)
from torchlean_jax.domains.real._value import RealArray, as_array, rules


def nowhere(*xs) -> bool:
    """The `undefined` of a function that is defined everywhere."""
    return False


def elementwise(
    function, *operands: RealArray, dtype=None, undefined=nowhere, total=False
) -> RealArray:
    """`function` of balls at each element.

    undefined(*balls): whether the function certainly has no value there, not even as a
    limit; total: whether finite balls always give finite ones.
    """
    arrays = [x.balls for x in operands]
    raw = as_array(_ufunc(function, len(arrays))(*arrays))
    dtype = operands[0].dtype if dtype is None else dtype
    if all(x.is_finite for x in operands):
        result = RealArray(raw, dtype, finite=True if total else None)
        if total or result.is_finite:
            return result
    operand_arrays = np.broadcast_arrays(*arrays)
    mended = raw.copy()
    for index in np.ndindex(raw.shape):
        balls: list[Any] = [a[index] for a in operand_arrays]
        result: Any = raw[index]
        if not all(b.is_finite() for b in (result, *balls)):
            mended[index] = careful(function, undefined, *balls)
    return RealArray(mended, dtype)


@functools.cache
def _ufunc(function, count):
    return np.frompyfunc(function, count, 1)


def careful(function, undefined, *balls):
    """`function` at one element of which a ball or the result is not finite."""
    if any(map(is_no_number, balls)):
        return _like(balls[0], no_number())
    balls = [_settled(x) for x in balls]
    if undefined(*balls):
        return _like(balls[0], no_number())
    result = function(*balls)
    if result.is_finite():
        return result
    if isinstance(result, flint().acb):
        return _like(result, unknown())
    if is_infinite(result):
        return result.mid()
    # of finite numbers Arb's NaN may just mean that it failed; of inf - inf it does not
    if any(map(is_infinite, balls)) and all(x.is_exact() for x in balls):
        return no_number() if result.is_nan() else unknown()
    return unknown()


def guarded(function):
    """`function` of single balls, finite or not, where a finite result is right."""

    def scalar(*balls):
        result = function(*balls)
        return result if result.is_finite() else careful(function, nowhere, *balls)

    return scalar


# inf - inf is no number, and nothing finite comes of an infinity
plus, minus, times = map(guarded, (operator.add, operator.sub, operator.mul))


def _settled(x):
    """[inf +- r] is inf."""
    return x.mid() if not isinstance(x, flint().acb) and is_infinite(x) else x


def _like(x, ball):
    return flint().acb(ball, ball) if isinstance(x, flint().acb) else ball


def define(name, function, *, undefined=nowhere, total=False):
    """A rule without parameters for an elementwise primitive."""

    @rules.define(name)
    def rule(*xs):
        return elementwise(function, *xs, undefined=undefined, total=total)

    return rule
