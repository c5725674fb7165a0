"""Rules for reductions and running totals, in sequence along the axis."""

import functools
import operator

import numpy as np

from torchlean_jax.domains.real._apply import elementwise, plus, times
from torchlean_jax.domains.real._arithmetic import larger_of, smaller_of
from torchlean_jax.domains.real._elementwise import FUNCTIONS
from torchlean_jax.domains.real._flint import flint
from torchlean_jax.domains.real._value import RealArray, rules


def folded(function, start, x: RealArray, axes) -> RealArray:
    """`function` over the elements along `axes`; `start` where there are none."""
    axes = tuple(axes)
    kept = [a for a in range(x.ndim) if a not in axes]
    balls = x.balls.transpose([*axes, *kept])
    shape = balls.shape[len(axes) :]
    balls = balls.reshape(-1, *shape)
    if not len(balls):
        total = np.full(shape, flint().arb(start), object)
    else:
        total = _ufunc(_at_once(function, x)).reduce(balls, axis=0)
    finite = True if x.is_finite and len(balls) else None
    return RealArray(total, x.dtype, finite=finite)


@functools.cache
def _ufunc(function):
    return np.frompyfunc(function, 2, 1)


def _at_once(function, x):
    """Python's own operator where no element is infinite: half the time."""
    return _ON_FINITE.get(function, function) if x.is_finite else function


_ON_FINITE = {plus: operator.add, times: operator.mul}

FOLDS = {
    "sum": (plus, 0),
    "prod": (times, 1),
    "max": (larger_of, float("-inf")),
    "min": (smaller_of, float("inf")),
}


def _define_reduction(name, function, start):
    @rules.define(name)
    def rule(x, *, axes):
        return folded(function, start, x, axes)


def _define_running(name, function):
    @rules.define(name)
    def rule(x, *, axis, reverse):
        return running(function, x, axis, reverse)


def running(function, x, axis, reverse):
    balls = np.flip(x.balls, axis) if reverse else x.balls
    if x.shape[axis]:
        balls = _ufunc(_at_once(function, x)).accumulate(balls, axis=axis)
    balls = np.flip(balls, axis) if reverse else balls
    return RealArray(balls, x.dtype, finite=x.is_finite or None)


for _name, (_function, _start) in FOLDS.items():
    _define_reduction(f"reduce_{_name}", _function, _start)
    _define_running(f"cum{_name}", _function)


@rules.define("cumlogsumexp")
def _cumlogsumexp(x, *, axis, reverse):
    """As it is defined: exponents of balls have no range to overflow."""
    exp, log = FUNCTIONS["exp"], FUNCTIONS["log"]
    sums = running(plus, elementwise(exp[0], x), axis, reverse)
    return elementwise(log[0], sums, undefined=log[1])
