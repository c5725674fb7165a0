"""FP32 rules for max, min, clamp, select, rounding to integers, the sign, comparisons.

Where a run and the reals may decide differently, the error covers the difference.
"""

from collections.abc import Callable

import jax.numpy as jnp
from jax import lax

from torchlean_jax.domains.fp32._domain import table
from torchlean_jax.domains.fp32._layout import moved
from torchlean_jax.domains.fp32._origin import (
    Applied,
    Decided,
    across,
    orders_alike,
    remember,
)
from torchlean_jax.domains.fp32._result import (
    decided_alike,
    interval_rule,
    limited,
    no_error,
    rule_for_floats,
)
from torchlean_jax.domains.fp32._upward import total
from torchlean_jax.domains.fp32._value import FP32Value, apart


@rule_for_floats("abs")
def _abs(domain, x):
    run = interval_rule("abs")
    return limited(x.dtype, run(x.real), run(x.execution), x.error)


def _certainly_above(x, y):
    """Where x is chosen by max, over the reals and in every run."""
    return (x.real.lo >= y.real.hi) & (x.execution.lo >= y.execution.hi)


def _extreme(name, x_wins, y_wins, x, y):
    """max and min move by at most the larger error; by that of the operand taken."""
    run = interval_rule(name, _lax[name])
    error = jnp.maximum(x.error, y.error)
    error = jnp.where(x_wins, x.error, jnp.where(y_wins, y.error, error))
    real, exact = run(x.real, y.real), run(x.execution, y.execution)
    return limited(x.dtype, real, exact, error)


@rule_for_floats("max")
def _max(domain, x, y):
    return _extreme("max", _certainly_above(x, y), _certainly_above(y, x), x, y)


@rule_for_floats("min")
def _min(domain, x, y):
    return _extreme("min", _certainly_above(y, x), _certainly_above(x, y), x, y)


@rule_for_floats("clamp")
def _clamp(domain, least, x, most):
    """Moves by at most the largest error of the three: the middle one of them does."""
    run = interval_rule("clamp")
    error = jnp.maximum(jnp.maximum(least.error, x.error), most.error)
    below = _certainly_above(least, x) & _certainly_above(most, least)
    above = _certainly_above(x, most)
    inside = _certainly_above(x, least) & _certainly_above(most, x)
    error = jnp.where(inside, x.error, error)
    error = jnp.where(below, least.error, jnp.where(above, most.error, error))
    real = run(least.real, x.real, most.real)
    exact = run(least.execution, x.execution, most.execution)
    return limited(x.dtype, real, exact, error)


_lax: dict[str, Callable] = {
    "max": lax.max,
    "min": lax.min,
    "floor": lax.floor,
    "ceil": lax.ceil,
}


@table.define_op("select_n")
def _select_n(domain, operation, which, *cases):
    """The case that is taken, if every run takes the same; else any two of them."""
    cases = [domain.lift(case) for case in cases]
    if not domain.is_value(which):
        return moved(domain, lambda *parts: operation(which, *parts), *cases)
    run = interval_rule("select_n", operation)

    def select(which, *cases):
        real = run(which.real, *(c.real for c in cases))
        exact = run(which.execution, *(c.execution for c in cases))
        first, last = which.lo.astype(jnp.int32), which.hi.astype(jnp.int32)
        same = jnp.zeros_like(cases[0].error)
        for number, case in enumerate(cases):
            taken = (first <= number) & (number <= last)
            same = jnp.where(taken, jnp.maximum(same, case.error), same)
        other = jnp.minimum(across(which, cases), apart(real, exact))
        error = jnp.where(which.error == 0, same, jnp.maximum(same, other))
        error = error.astype(same.dtype)
        if not cases[0].is_float:
            return FP32Value(real, error, exact, cases[0].dtype)
        return limited(cases[0].dtype, real, exact, error)

    operands = (domain.lift(which), *cases)
    return remember(select(*operands), Applied(select, operands))


@rule_for_floats("floor")
def _floor(domain, x):
    return _step("floor", x)


@rule_for_floats("ceil")
def _ceil(domain, x):
    return _step("ceil", x)


@rule_for_floats("round")
def _round(domain, x, *, rounding_method):
    return _step("round", x, lambda a: lax.round(a, rounding_method))


def _step(name, x, operation: Callable | None = None):
    """Exact; where x' and x are on two sides of a step, the results are whole numbers
    that differ by less than 1 more."""
    operation = operation or _lax[name]
    run = interval_rule(name, operation)
    real, exact = run(x.real), run(x.execution)
    error = jnp.where(x.error == 0, 0, total(x.error, jnp.ones_like(x.error)))
    return limited(x.dtype, real, exact, error)


@rule_for_floats("sign")
def _sign(domain, x):
    """Next to 0 a run may have -1 for 1, however small its error."""
    run = interval_rule("sign", lax.sign)
    real, exact = run(x.real), run(x.execution)
    error = jnp.where(x.error == 0, 0, jnp.full_like(x.error, 2))
    return limited(x.dtype, real, exact, error)


def _comparison(name):
    def rule(domain, x, y):
        run = interval_rule(name)
        real, exact = run(x.real, y.real), run(x.execution, y.execution)
        value = decided_alike(real, exact, no_error((x, y)))
        error = jnp.where(orders_alike(x, y), 0, value.error)
        value = FP32Value(real, error, value.execution, value.dtype)
        return remember(value, Decided(((x, y),)))

    return rule


_NAMES = ("eq", "ne", "lt", "le", "gt", "ge", "lt_to", "le_to")
for _name in _NAMES:
    rule_for_floats(_name)(_comparison(_name))
for _name in _NAMES[:6]:
    rule_for_floats(f"same:{_name}")(_comparison(f"same:{_name}"))


@rule_for_floats("is_finite")
def _is_finite(domain, x):
    run = interval_rule("is_finite")
    return decided_alike(run(x.real), run(x.execution), no_error((x,)))
