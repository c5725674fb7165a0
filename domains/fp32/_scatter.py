"""FP32 rules for scatters, and for the derivatives of max- and min-pooling.

Sums at one position are of as many terms as hit it, in any order. Where positions, or
the elements that windows select, may differ between runs and the reals, the error is
the distance between all that either may give.
"""

import math

import jax
import jax.numpy as jnp
from jax import lax

from torchlean_jax.domains.fp32._arithmetic import forgotten
from torchlean_jax.domains.fp32._domain import table
from torchlean_jax.domains.fp32._format import accumulated, format_of
from torchlean_jax.domains.fp32._result import (
    decided_alike,
    interval_rule,
    limited,
    no_error_anywhere,
    rounded,
)
from torchlean_jax.domains.fp32._upward import times, total
from torchlean_jax.domains.fp32._value import FP32Value, apart
from torchlean_jax.domains.interval import Interval
from torchlean_jax.domains.interval._arithmetic import magnitude


def _lifted(domain, *operands):
    return [domain.lift(x) for x in operands]


def _enclosures(operation, x, indices, updates):
    """(over the reals, of exact numbers in place of the runs)."""
    run = interval_rule(operation.name, operation)
    at = (indices, indices)
    if isinstance(indices, FP32Value):
        at = indices.real, indices.execution
    real = run(x.real, at[0], updates.real)
    return real, run(x.execution, at[1], updates.execution)


def _agreed(indices):
    return not isinstance(indices, FP32Value)


@table.define_op("scatter", "scatter-max", "scatter-min")
def _scatter(domain, operation, operand, indices, updates):
    """A write in place of another, in an order that nobody promises."""
    x, u = _lifted(domain, operand, updates)
    real, exact = _enclosures(operation, x, indices, u)
    error = apart(real, exact)
    if _agreed(indices) and _single(operation):
        error = _largest(operation, x.error, indices, u.error)
    if x.is_float:
        return limited(x.dtype, real, exact, error)
    return FP32Value(real, jnp.minimum(error, apart(real, exact)), exact, x.dtype)


def _single(operation):
    """Whether the result is one determined choice: an extreme, or the only update."""
    return operation.name != "scatter" or operation.params["unique_indices"]


def _largest(operation, error, indices, errors):
    """The larger of an element's error and those of its updates; a plain write has its
    own."""
    if operation.name == "scatter":
        return operation(error, indices, errors)
    return _apply(lax.scatter_max, operation, error, indices, errors)


def _apply(scatter, operation, x, indices, updates):
    params = operation.params
    return scatter(
        x,
        indices,
        updates,
        params["dimension_numbers"],
        indices_are_sorted=params["indices_are_sorted"],
        unique_indices=params["unique_indices"],
        mode=params["mode"],
    )


@table.define_op("scatter-add", "scatter-sub")
def _scatter_add(domain, operation, operand, indices, updates):
    x, u = _lifted(domain, operand, updates)
    real, exact = _enclosures(operation, x, indices, u)
    if not x.is_float or not _agreed(indices):
        return _alike(real, exact, (x, u), indices)

    def add(a, b):
        return _apply(lax.scatter_add, operation, a, indices, b)

    hits = add(jnp.zeros_like(x.error), jnp.ones_like(u.error))
    slack = _slack(u.size, x.error.dtype)
    carried = add(x.error, u.error) * slack
    sizes = add(magnitude(x.execution), magnitude(u.execution)) * slack
    return _rounded_sum(domain, x, real, exact, carried, hits, sizes)


def _slack(terms, dtype):
    """For sums of magnitudes computed in any order, upward."""
    return jnp.asarray(1 + 2 * (terms + 2) * float(jnp.finfo(dtype).eps), dtype)


def _rounded_sum(domain, x, real, exact, carried, hits, sizes):
    """As many roundings as updates hit the element; (1 + u)^n - 1 <= 1.1 n u here."""
    kind = format_of(x.dtype)
    share = hits * jnp.asarray(kind.unit * (1 + 1e-6), hits.dtype)
    share = jnp.where(share < 0.1, share * 1.1, jnp.inf)
    own = total(times(share, sizes), hits * (2 * kind.tiny))
    value = rounded(domain, x.dtype, real, exact, carried, absolute=own)
    untouched = hits == 0
    value = jax.tree.map(lambda a, b: jnp.where(untouched, a, b), x, value)
    return forgotten(value, ~untouched & ~(total(sizes, own) < kind.largest))


@table.define_op("scatter-mul")
def _scatter_mul(domain, operation, operand, indices, updates):
    """One product where one update hits; of more nothing is promised."""
    x, u = _lifted(domain, operand, updates)
    real, exact = _enclosures(operation, x, indices, u)
    if not x.is_float or not _agreed(indices):
        return _alike(real, exact, (x, u), indices)
    zeros, ones = jnp.zeros_like(x.error), jnp.ones_like(u.error)
    hits = _apply(lax.scatter_add, operation, zeros, indices, ones)
    unit = jnp.where(hits == 0, 0, format_of(x.dtype).unit)
    carried = jnp.where(hits == 0, x.error, apart(real, exact))
    value = rounded(domain, x.dtype, real, exact, carried, relative=unit)
    value = jax.tree.map(lambda a, b: jnp.where(hits == 0, a, b), x, value)
    return forgotten(value, hits > 1)


def _alike(real, exact, operands, indices):
    if not _agreed(indices):
        operands = (*operands, indices)
    value = decided_alike(real, exact, no_error_anywhere(operands), operands[0].dtype)
    if not value.is_float:
        return value
    return forgotten(value, jnp.full(value.shape, True))


@table.define_op("select_and_scatter_add", "select_and_gather_add")
def _select(domain, operation, moving, operand):
    """What is moved keeps its error where every run selects as the reals do."""
    s, x = _lifted(domain, moving, operand)
    run = interval_rule(operation.name, operation)
    real, exact = run(s.real, x.real), run(s.execution, x.execution)
    errors = run(Interval(-s.error, s.error), x.real)
    alike = jnp.all(x.error == 0)
    carried = jnp.where(alike, magnitude(errors), apart(real, exact))
    if operation.name == "select_and_gather_add":
        return limited(s.dtype, real, exact, carried)
    size = magnitude(s.execution)
    sizes = magnitude(run(Interval(-size, size), x.execution))
    kind, terms = format_of(s.dtype), math.prod(operation.params["window_dimensions"])
    own = times(jnp.asarray(accumulated(kind.unit, terms), sizes.dtype), sizes)
    own = jnp.where(sizes == 0, 0, total(own, jnp.full_like(own, terms * kind.tiny)))
    value = rounded(domain, s.dtype, real, exact, carried, absolute=own)
    return forgotten(value, ~(total(sizes, own) < kind.largest))
