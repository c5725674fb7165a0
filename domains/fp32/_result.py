"""How a rule becomes a value: the rounding of one operation, on top of what it carries.

A rule knows what the operation does to the reals (`real`), to exact numbers in the
place of the runs (`exact`), and how far apart those two are (`carried`). The machine
then rounds: within `relative` of the result plus `absolute`, or to 0 what is then below
the smallest normal number. So, without the last term where no result can be so small,

    error      <=  carried + relative |exact| + absolute + tiny
    execution  in  exact, widened by the same, and in real +- error
"""

import dataclasses
import functools
from typing import Any

import jax.numpy as jnp

from torchlean_jax.domains.fp32._domain import FP32, table
from torchlean_jax.domains.fp32._format import format_of
from torchlean_jax.domains.fp32._origin import Applied, remember
from torchlean_jax.domains.fp32._value import FP32Value, apart, working
from torchlean_jax.domains.interval import Interval


def rounded(
    domain: FP32,
    dtype,
    real: Interval,
    exact: Interval,
    carried,
    *,
    relative: Any = 0.0,
    absolute: Any = 0.0,
) -> FP32Value:
    """The value of an operation that rounds its result to `dtype`.

    relative, absolute: upper bounds, numbers or arrays; a relative error below 1 keeps
    the sign of what it rounds, and so does flushing to 0.
    """
    kind, working = format_of(dtype), jnp.finfo(exact.dtype)
    eps, smallest = float(working.eps), 4 * float(working.smallest_normal)
    relative = jnp.asarray(relative, exact.dtype) * (1 + 4 * eps)
    may_flush = _may_flush(kind, exact, relative, absolute)
    nothing = (exact.lo == 0) & (exact.hi == 0)
    fixed = jnp.where(may_flush & ~nothing, kind.tiny, 0) + absolute
    # a product that underflows here is not 0
    fixed = (fixed + jnp.where(relative == 0, 0, smallest)) * (1 + 4 * eps)

    def own(size):
        return domain.share * (size * relative + fixed)

    below, above = jnp.abs(exact.lo), jnp.abs(exact.hi)
    own_lo, own_hi = own(below), own(above)
    lo = exact.lo - (own_lo * (1 + 4 * eps) + below * (2 * eps) + smallest)
    hi = exact.hi + (own_hi * (1 + 4 * eps) + above * (2 * eps) + smallest)
    keeps_sign = jnp.asarray(absolute) == 0
    lo = jnp.where(keeps_sign & (exact.lo >= 0), jnp.maximum(lo, 0), lo)
    hi = jnp.where(keeps_sign & (exact.hi <= 0), jnp.minimum(hi, 0), hi)
    # what is exactly 0 stays so, and an infinity is not moved
    lo = jnp.where(nothing | jnp.isinf(exact.lo), exact.lo, lo)
    hi = jnp.where(nothing | jnp.isinf(exact.hi), exact.hi, hi)
    own_error = jnp.where(nothing & keeps_sign, 0, jnp.maximum(own_lo, own_hi))
    error = (carried + own_error) * (1 + 4 * eps)
    run, may_overflow = _in_format(kind, exact, Interval(lo, hi))
    return limited(dtype, real, run, jnp.where(may_overflow, jnp.inf, error))


def _may_flush(kind, exact, relative, absolute):
    """Where a rounded result may be subnormal: from a number y on, none is if

        (1 - relative) y - absolute  >=  tiny

    The nearest number to y >= tiny would do with less, for tiny is a number as well.
    """
    slack = 8 * float(jnp.finfo(exact.dtype).eps)
    kept = jnp.maximum(1 - relative, 0) - slack
    least = kind.tiny * (1 + slack)

    def stays(size):
        """False where it is not known, as of 0 times an infinity."""
        return (size > 0) & (kept * size - absolute * (1 + slack) >= least)

    return ~(stays(exact.lo) | stays(-exact.hi))


def _in_format(kind, exact, run):
    """(`run` in a format that ends, whether it may have overflowed).

    Past the largest number of its format a run may hold an infinity, and then its
    distance from the reals has no bound. An infinity that went into the operation comes
    out of it: that is no overflow.
    """
    passed = jnp.isinf(exact.lo) & (exact.lo == exact.hi)
    low, high = run.lo < -kind.largest, run.hi > kind.largest
    lo = jnp.where(low, -jnp.inf, jnp.minimum(run.lo, kind.largest))
    hi = jnp.where(high, jnp.inf, jnp.maximum(run.hi, -kind.largest))
    run = Interval(jnp.where(passed, run.lo, lo), jnp.where(passed, run.hi, hi))
    return run, (low | high) & ~passed


def limited(dtype, real: Interval, run: Interval, error) -> FP32Value:
    """The value with these parts, each made as tight as the others allow."""
    no_number = run.may_be_nan
    run = Interval(
        jnp.where(no_number, jnp.nan, run.lo), jnp.where(no_number, jnp.nan, run.hi)
    )
    error = jnp.where(jnp.isnan(error) | no_number, jnp.inf, error)
    error = jnp.minimum(error, apart(real, run))
    return FP32Value(real, error, _within(real, error, run), jnp.dtype(dtype))


def narrowed(value: FP32Value, known: Interval) -> FP32Value:
    """The value where its result over the reals is also in `known`.

    An end that is no number says nothing, and one that was none stays so.
    """
    lo, hi = value.real.lo, value.real.hi
    silent = jnp.isnan(lo) | jnp.isnan(hi) | jnp.isnan(known.lo) | jnp.isnan(known.hi)
    real = Interval(
        jnp.where(silent, lo, jnp.maximum(lo, known.lo)),
        jnp.where(silent, hi, jnp.minimum(hi, known.hi)),
    )
    found = limited(value.dtype, real, value.execution, value.error)
    return dataclasses.replace(found, origin=value.origin)


def _within(real, error, run):
    """`run` where it is within `error` of `real`."""
    working = jnp.finfo(real.dtype)
    eps, smallest = float(working.eps), 4 * float(working.smallest_normal)

    def reach(endpoint):
        radius = error * (1 + 4 * eps) + jnp.abs(endpoint) * (2 * eps) + smallest
        return jnp.where(error == 0, 0, radius)

    # where nothing is known of either, these comparisons are false
    lo, hi = real.lo - reach(real.lo), real.hi + reach(real.hi)
    return Interval(
        jnp.where(lo > run.lo, lo, run.lo), jnp.where(hi < run.hi, hi, run.hi)
    )


def interval_rule(name, operation=None, **params):
    """The Interval rule of a primitive, as a function of intervals."""
    rule = Interval.rules.find(name)
    if rule is None:
        raise KeyError(f"no Interval rule for {name}")
    if rule.on_operation:
        return lambda *xs: rule.function(operation, *xs)
    return lambda *xs: rule.function(*map(Interval.lift, xs), **params)


def discrete(name, operation, *values: FP32Value) -> Any:
    """An exact elementwise operation on integers and booleans."""
    return _discrete(name, operation, values, no_error(values))


def discrete_mixing(name, operation, *values: FP32Value) -> Any:
    """An exact operation on them in which any element may depend on any other."""
    return _discrete(name, operation, values, no_error_anywhere(values))


def _discrete(name, operation, values, alike):
    run = interval_rule(name, operation, **operation.params)
    reals, runs = run(*(v.real for v in values)), run(*(v.execution for v in values))
    if isinstance(reals, list | tuple):
        pairs = zip(reals, runs, strict=True)
        return [decided_alike(r, e, alike) for r, e in pairs]
    return decided_alike(reals, runs, alike)


def decided_alike(real: Interval, run: Interval, alike, dtype=None) -> FP32Value:
    """A result that every run shares with the reals where `alike`."""
    error = jnp.where(alike, 0, apart(real, run))
    error = jnp.broadcast_to(error, real.shape).astype(working(real))
    exact = error == 0
    lo = jnp.where(exact, real.lo, run.lo)
    run = Interval(lo, jnp.where(exact, real.hi, run.hi))
    return FP32Value(real, error, run, jnp.dtype(dtype or real.dtype))


def no_error(operands):
    """Where no operand has an error, of operands with elements side by side."""
    return functools.reduce(jnp.logical_and, [v.error == 0 for v in operands])


def no_error_anywhere(operands):
    """Whether no operand has an error in any element."""
    return jnp.all(jnp.stack([jnp.all(v.error == 0) for v in operands]))


def rule_for_floats(*names):
    """Decorator: an elementwise rule `f(domain, *values, **params)` of floats.

    Without one, the primitive works on integers or booleans, and `discrete` is right.
    """

    def register(function):
        for name in names:
            table.define_op(name)(_by_kind(name, function))
        return function

    return register


def _by_kind(name, function):
    def rule(domain, operation, *operands):
        values = tuple(domain.lift(x) for x in operands)
        if not any(v.is_float for v in values):
            return discrete(name, operation, *values)

        def again(*values):
            return function(domain, *values, **operation.params)

        result = again(*values)
        if result.origin is None:
            result = remember(result, Applied(again, values))
        return result

    return rule


def operation_rule_for_floats(*names):
    """The same for rules that apply the primitive: `f(domain, operation, *values)`."""

    def register(function):
        for name in names:
            table.define_op(name)(_operation_by_kind(name, function))
        return function

    return register


def _operation_by_kind(name, function):
    def rule(domain, operation, *operands):
        values = [domain.lift(x) for x in operands]
        if any(v.is_float for v in values):
            return function(domain, operation, *values)
        return discrete_mixing(name, operation, *values)

    return rule
