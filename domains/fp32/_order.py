"""FP32 rules for sorting and for the positions of extremes.

Sorting moves no place by more than the largest error: if every |x'_i - x_i| <= e, the
k-th smallest differ by at most e too. What is carried along is known as well as its own
error says where order is certain and the same in every run; elsewhere only within what
may come to that place.
"""

import jax.numpy as jnp
from jax import lax

from torchlean_jax.domains.fp32._domain import table
from torchlean_jax.domains.fp32._format import format_of
from torchlean_jax.domains.fp32._result import (
    interval_rule,
    limited,
)
from torchlean_jax.domains.fp32._upward import total
from torchlean_jax.domains.fp32._value import FP32Value, apart
from torchlean_jax.domains.interval import Interval


@table.define_op("sort")
def _sort(domain, operation, *operands):
    values = [domain.lift(x) for x in operands]
    axis, keys = operation.params["dimension"], operation.params["num_keys"]
    places = lax.broadcasted_iota(jnp.int32, values[0].shape, axis)
    places = Interval(places, places)
    run = interval_rule("sort", operation)
    *reals, real_places = run(*(v.real for v in values), places)
    *runs, run_places = run(*(v.execution for v in values), places)
    alike = all_exact(values[:keys], axis)
    places = agreed_places(real_places, run_places)
    first = sorted_values(values[0], reals[0], runs[0], axis)
    return [
        first,
        *(
            carried(v, real, exact, places, alike, axis)
            for v, real, exact in zip(values[1:], reals[1:], runs[1:], strict=True)
        ),
    ]


def all_exact(keys, axis):
    """Whether, along the axis, every run has just the keys that the reals have."""
    flags = [jnp.all(k.error == 0, axis=axis, keepdims=True) for k in keys]
    return jnp.all(jnp.stack(flags), axis=0)


def agreed_places(real: Interval, run: Interval):
    """(where every run moves the same item here as the reals do, that item)."""
    certain = (real.lo == real.hi) & (run.lo == run.hi) & (real.lo == run.lo)
    return certain, real.lo


def sorted_values(x, real, exact, axis):
    """The sorted keys themselves.

    A comparison may take subnormal keys for 0, and then it leaves them where they are:
    [2e-39, -9e-39] may count as sorted.
    """
    error = jnp.max(x.error, axis=axis, keepdims=True, initial=0)
    if x.is_float:
        tiny = format_of(x.dtype).tiny
        mixed = (exact.lo < tiny) & (exact.hi > -tiny) & (error > 0)
        error = total(error, jnp.where(mixed, tiny, 0).astype(error.dtype))
        lo = jnp.where(mixed, jnp.minimum(exact.lo, -tiny), exact.lo)
        exact = Interval(lo, jnp.where(mixed, jnp.maximum(exact.hi, tiny), exact.hi))
    return _value(x, real, exact, jnp.broadcast_to(error, real.shape))


def carried(x, real, exact, places, alike, axis):
    """Items that moved with their keys."""
    certain, item = places
    own = jnp.take_along_axis(x.error, item.astype(jnp.int32), axis=axis)
    largest = jnp.max(x.error, axis=axis, keepdims=True, initial=0)
    error = jnp.where(alike, jnp.broadcast_to(largest, real.shape), jnp.inf)
    error = jnp.where(certain, own, jnp.minimum(error, apart(real, exact)))
    return _value(x, real, exact, error)


def _value(x, real, exact, error):
    if x.is_float:
        return limited(x.dtype, real, exact, error)
    error = jnp.minimum(error, apart(real, exact))
    return FP32Value(real, error, exact, x.dtype)


@table.define_op("top_k")
def _top_k(domain, operation, x):
    x = domain.lift(x)
    axis = operation.params.get("axis", x.ndim - 1) % x.ndim
    run = interval_rule("top_k", operation)
    real, real_places = run(x.real)
    exact, run_places = run(x.execution)
    values = sorted_values(x, real, exact, axis)
    return [values, _places(x, real_places, run_places, axis)]


def _places(x, real, run, axis):
    """Positions: those of the reals, if every run has the same keys."""
    alike = jnp.all(x.error == 0, axis=axis, keepdims=True)
    error = jnp.where(jnp.broadcast_to(alike, real.shape), 0, apart(real, run))
    return FP32Value(real, error, run, real.dtype)


@table.define_op("argmax", "argmin")
def _argmax(domain, operation, x):
    x = domain.lift(x)
    run = interval_rule(operation.name, operation)
    real, exact = run(x.real), run(x.execution)
    (axis,) = operation.params["axes"]
    alike = jnp.all(x.error == 0, axis=axis)
    error = jnp.where(alike, 0, apart(real, exact))
    return FP32Value(real, error, exact, real.dtype)
