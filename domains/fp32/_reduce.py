"""FP32 rules for sums, products and extremes along axes and windows.

A sum of n terms, whatever the tree, rounds each term at most n - 1 times (Higham,
section 4.2):

    |run - sum x'|  <=  ((1 + u)^(n-1) - 1) sum |x'|  +  n tiny

Of a sum of which all but m terms are 0 in every run, as in padding, each term is
rounded at most m - 1 times: to add 0 is exact, so only a sum of two parts that both
hold another term rounds, and there are at most m - 1 of these above a term. Since
(1 + u)^k - 1 is convex in k and 0 at 0, (m - 1) / (n - 1) of the bound is enough.
"""

import jax.numpy as jnp
import numpy as np

from torchlean_jax.domains.fp32._arithmetic import forgotten
from torchlean_jax.domains.fp32._format import accumulated, format_of
from torchlean_jax.domains.fp32._result import (
    interval_rule,
    limited,
    operation_rule_for_floats,
    rounded,
)
from torchlean_jax.domains.fp32._upward import grown, times, total
from torchlean_jax.domains.interval import Interval
from torchlean_jax.domains.interval._arithmetic import absolute, magnitude
from torchlean_jax.domains.interval._contraction import gamma


def summed(domain, operation, x, terms: int):
    """The value of an operation that adds up `terms` elements for each result."""
    run = interval_rule(operation.name, operation)
    real, exact = run(x.real), run(x.execution)
    kind = format_of(x.dtype)
    sizes = added(operation, magnitude(x.execution), terms)
    own = grown(accumulated(kind.unit, terms - 1), sizes)
    # a subnormal number is flushed beside a 0 too
    flushed = jnp.where(own > 0, terms * kind.tiny, 0)
    some = operation(not_zero(x.execution))
    own = shared(some - 1, terms - 1, own) + flushed
    carried = added(operation, x.error, terms)
    value = rounded(domain, x.dtype, real, exact, carried, absolute=own)
    # sums of terms of one sign keep it, however they are rounded
    below = operation(jnp.maximum(-x.execution.lo, 0)) > 0
    above = operation(jnp.maximum(x.execution.hi, 0)) > 0
    run = value.execution
    lo = jnp.where(below, run.lo, jnp.maximum(run.lo, 0))
    hi = jnp.where(above, run.hi, jnp.minimum(run.hi, 0))
    value = type(value)(value.real, value.error, Interval(lo, hi), value.dtype)
    # no partial sum may pass the largest number: it could be an infinity, or two
    infinite = jnp.isinf(exact.lo) & (exact.lo == exact.hi)
    overflows = ~(total(sizes, own) < kind.largest) & ~infinite
    return forgotten(value, overflows)


def added(operation, sizes, terms):
    """A sum of bounds, upward; 0 where all are."""
    result = operation(sizes)
    slack = 1 + 2 * gamma(terms, sizes.dtype)
    return result * jnp.asarray(slack, sizes.dtype)


def not_zero(x):
    """1 where a run may hold another number than 0, else 0."""
    return jnp.where((x.lo == 0) & (x.hi == 0), 0, 1).astype(x.dtype)


def shared(some, most: int, own):
    """The part some / most of a bound, upward; bit for bit all of it where they are
    equal, or where counts are not exact."""
    kind = jnp.finfo(own.dtype)
    if most < 1 or most >= 2**kind.nmant:
        return own
    share = jnp.maximum(some, 0) / most * (1 + 4 * float(kind.eps))
    return jnp.where(share < 1, times(share, own), own)


def _count(shape, axes):
    return int(np.prod([shape[a] for a in axes], dtype=np.int64))


@operation_rule_for_floats("reduce_sum")
def _reduce_sum(domain, operation, x):
    return summed(domain, operation, x, _count(x.shape, operation.params["axes"]))


@operation_rule_for_floats("cumsum")
def _cumsum(domain, operation, x):
    return summed(domain, operation, x, x.shape[operation.params["axis"]])


@operation_rule_for_floats("reduce_window_sum")
def _reduce_window_sum(domain, operation, x):
    window = operation.params["window_dimensions"]
    return summed(domain, operation, x, int(np.prod(window, dtype=np.int64)))


@operation_rule_for_floats("reduce_max", "cummax", "reduce_window_max")
def _largest(domain, operation, x):
    """Moves by at most the largest error among what may be the largest."""
    return _extreme(operation, x, operation)


@operation_rule_for_floats("reduce_min", "cummin", "reduce_window_min")
def _smallest(domain, operation, x):
    return _extreme(operation, x, lambda e: -operation(-e))


def _extreme(operation, x, largest):
    run = interval_rule(operation.name, operation)
    error = jnp.maximum(largest(x.error), 0)
    return limited(x.dtype, run(x.real), run(x.execution), error)


@operation_rule_for_floats("reduce_prod")
def _prod(domain, operation, x):
    axes = operation.params["axes"]

    def over(combine):
        return lambda e: combine(e, axis=tuple(axes))

    terms = _count(x.shape, axes)
    return _multiplied(domain, operation, x, terms, over(jnp.prod), over(jnp.sum))


@operation_rule_for_floats("cumprod")
def _cumprod(domain, operation, x):
    """Each prefix is a product; a bound over all elements serves every one."""
    axis = operation.params["axis"]

    def over(combine):
        return lambda e: jnp.broadcast_to(combine(e, axis=axis, keepdims=True), e.shape)

    terms = x.shape[axis]
    return _multiplied(domain, operation, x, terms, over(jnp.prod), over(jnp.sum))


def _multiplied(domain, operation, x, terms, product, total_of):
    """Products in any nest: terms - 1 roundings; partial ones may underflow.

    With m = max(|x|, |x'|, 1), the telescoped difference is at most sum e times prod m;
    and a partial product that is flushed takes at most tiny prod m with it.
    """
    run = interval_rule(operation.name, operation, **operation.params)
    real, exact = run(x.real), run(x.execution)
    kind, slack = format_of(x.dtype), 1 + 2 * gamma(terms, real.dtype)
    sizes = jnp.maximum(jnp.maximum(magnitude(x.real), magnitude(x.execution)), 1)
    most = product(sizes) * jnp.asarray(slack, real.dtype)
    carried = times(most, total_of(x.error) * jnp.asarray(slack, real.dtype))
    smallest = jnp.minimum(absolute(x.execution).lo, 1)
    lost = product(smallest) < 2 * kind.tiny
    flushed = jnp.where(lost, grown(2 * terms * kind.tiny, most), 0)
    relative = accumulated(kind.unit, max(terms - 1, 0))
    own = total(grown(relative, magnitude(exact)), flushed)
    value = rounded(domain, x.dtype, real, exact, carried, absolute=own)
    # nor may any partial product pass the largest number
    return forgotten(value, ~(total(grown(1 + relative, most), own) < kind.largest))
