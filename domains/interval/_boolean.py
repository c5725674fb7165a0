"""Interval rules for logic: three-valued on booleans, bit patterns on integers.

An undecided boolean is [False, True]; `and` and `or` are increasing in both operands.
"""

import jax.numpy as jnp

from torchlean_jax.domains.interval._integer import or_everything
from torchlean_jax.domains.interval._layout import endpointwise
from torchlean_jax.domains.interval._value import Interval, range_of, rules

rules.define_each(("reduce_and", "reduce_or"), endpointwise)


@rules.define("not")
def _not(x):
    """Decreasing, for integers too: ~x is -1 - x, or highest - x without a sign."""
    return Interval(~x.hi, ~x.lo)


@rules.define_op("and")
def _and(operation, x, y):
    """A bit pattern is in between 0 and any of the operands that is never negative."""
    x, y = Interval.lift(x), Interval.lift(y)
    if x.dtype == jnp.bool_:
        return endpointwise(operation, x, y)
    lowest, highest = (jnp.asarray(v, x.dtype) for v in range_of(jnp.dtype(x.dtype)))
    bounds = [jnp.where(v.lo >= 0, v.hi, highest) for v in (x, y)]
    positive = (x.lo >= 0) | (y.lo >= 0)
    lo = jnp.where(positive, jnp.zeros_like(x.lo), lowest)
    hi = jnp.where(positive, jnp.minimum(*bounds), highest)
    return _exact_where_decided(operation, x, y, Interval(lo, hi))


@rules.define_op("or")
def _or(operation, x, y):
    x, y = Interval.lift(x), Interval.lift(y)
    if x.dtype == jnp.bool_:
        return endpointwise(operation, x, y)
    return _bits(operation, x, y)


@rules.define_op("xor")
def _xor(operation, x, y):
    x, y = Interval.lift(x), Interval.lift(y)
    return _bits(operation, x, y)


@rules.define_op("reduce_xor")
def _reduce_xor(operation, x):
    """Undecided as soon as one element is."""
    exact = operation(x.lo)
    axes = tuple(operation.params["axes"])
    return or_everything(jnp.any(x.lo != x.hi, axis=axes), exact, exact)


@rules.define_op("shift_left", "shift_right_logical", "shift_right_arithmetic")
def _shift(operation, x, by):
    """A right shift by a known amount is increasing on what it does not reinterpret."""
    x, by = Interval.lift(x), Interval.lift(by)
    increasing = operation.name == "shift_right_arithmetic" or (
        operation.name == "shift_right_logical"
        and jnp.issubdtype(x.dtype, jnp.unsignedinteger)
    )
    if not increasing:
        return _bits(operation, x, by)
    return or_everything(by.lo != by.hi, operation(x.lo, by.lo), operation(x.hi, by.lo))


def _bits(operation, x, y):
    exact = operation(x.lo, y.lo)
    return _exact_where_decided(
        operation, x, y, or_everything(jnp.full(exact.shape, True), exact, exact)
    )


def _exact_where_decided(operation, x, y, otherwise):
    decided = (x.lo == x.hi) & (y.lo == y.hi)
    exact = operation(x.lo, y.lo)
    return Interval(
        jnp.where(decided, exact, otherwise.lo), jnp.where(decided, exact, otherwise.hi)
    )
