"""Interval rules for scatters: writing, adding, multiplying at positions.

Several updates may hit one element, in no promised order, so a plain write covers all
of them and sums are bounded independently of the order. Where positions are undecided
every update may hit every element.
"""

import jax
import jax.numpy as jnp
from jax import lax

from torchlean_jax.domains.interval import _integer
from torchlean_jax.domains.interval._arithmetic import (
    known,
    magnitude,
    mul,
    nan_if,
    negate,
)
from torchlean_jax.domains.interval._kinds import kind_of
from torchlean_jax.domains.interval._rounding import round_down, round_up
from torchlean_jax.domains.interval._value import Interval, bounds_of_dtype, rules


@rules.define_op("scatter-max", "scatter-min")
def _scatter_extreme(operation, operand, indices, updates):
    """Exact, and increasing in operand and updates."""
    operand, updates = Interval.lift(operand), Interval.lift(updates)
    if isinstance(indices, Interval):
        return _anywhere_extreme(operation, operand, updates)
    lo = operation(operand.lo, indices, updates.lo)
    return known_or_integer(lo, operation(operand.hi, indices, updates.hi))


def known_or_integer(lo, hi):
    return known(lo, hi) if jnp.issubdtype(lo.dtype, jnp.floating) else Interval(lo, hi)


def _anywhere_extreme(operation, operand, updates):
    """Any update may count, or none."""
    if operation.name == "scatter-max":
        return Interval(operand.lo, jnp.maximum(operand.hi, jnp.max(updates.hi)))
    return Interval(jnp.minimum(operand.lo, jnp.min(updates.lo)), operand.hi)


@rules.define_op("scatter")
def _scatter(operation, operand, indices, updates):
    operand, updates = Interval.lift(operand), Interval.lift(updates)
    if operand.dtype == jnp.bool_:
        # there is no scatter_min of booleans
        as_bytes = [
            jax.tree.map(lambda e: e.astype(jnp.int8), x) for x in (operand, updates)
        ]
        result = _scatter(operation, as_bytes[0], indices, as_bytes[1])
        return jax.tree.map(lambda e: e != 0, result)
    if isinstance(indices, Interval):
        anything = Interval(jnp.min(updates.lo), jnp.max(updates.hi))
        return Interval.join([operand, anything], [True, True])
    written = Interval(
        operation(operand.lo, indices, updates.lo),
        operation(operand.hi, indices, updates.hi),
    )
    if operation.params["unique_indices"] or kind_of(operand) == "complex":
        return written
    least, most = bounds_of_dtype(operand.dtype)
    lo = _extreme(operation, lax.scatter_min, most, operand.lo, indices, updates.lo)
    hi = _extreme(operation, lax.scatter_max, least, operand.hi, indices, updates.hi)
    return known_or_integer(lo, hi)


def _extreme(operation, scatter, start, operand, indices, updates):
    """The least (largest) update of each element; the operand if there is none."""
    params = operation.params
    cleared = operation(operand, indices, jnp.full_like(updates, start))
    return scatter(
        cleared,
        indices,
        updates,
        params["dimension_numbers"],
        indices_are_sorted=params["indices_are_sorted"],
        unique_indices=params["unique_indices"],
        mode=params["mode"],
    )


@rules.define_op("scatter-add", "scatter-sub")
def _scatter_add(operation, operand, indices, updates):
    operand, updates = Interval.lift(operand), Interval.lift(updates)
    if operation.name == "scatter-sub":
        is_integer = kind_of(updates) == "integer"
        updates = _integer.neg(updates) if is_integer else negate(updates)
    if isinstance(indices, Interval):
        return _anywhere_add(operand, updates)
    if kind_of(operand) == "complex":
        return _by_parts(operation, operand, indices, updates)
    run = _adder(operation, indices)
    lo, hi = run(operand.lo, updates.lo), run(operand.hi, updates.hi)
    if kind_of(operand) == "integer":
        total = run(*map(_integer.magnitude, (operand, updates)))
        risky = _integer.may_overflow(total, updates.size, operand.dtype)
        return _integer.or_everything(risky, lo, hi)
    # gamma_n sum |terms| as in _reduce.py, with the n of each element
    kind = jnp.finfo(operand.dtype)
    count = run(jnp.zeros_like(operand.lo), jnp.ones_like(updates.lo)) + 2
    share = count * (float(kind.eps) / 2)
    slack = jnp.where(share < 0.25, share * (1 + 4 * share), jnp.inf)
    sizes = run(magnitude(operand), magnitude(updates))
    error = round_up(sizes * slack, ulps=2) + count * (2 * float(kind.smallest_normal))
    result = _widened(lo, hi, error)
    untouched = count == 2
    return jax.tree.map(lambda a, b: jnp.where(untouched, a, b), operand, result)


def _widened(lo, hi, error):
    """[lo - error, hi + error].

    An infinite sum may be an overflow on the way to a finite one, or inf - inf.
    """
    invalid = ~(jnp.isfinite(lo) | jnp.isfinite(hi))
    lo = jnp.where(jnp.isinf(lo), -jnp.inf, round_down(lo - error))
    hi = jnp.where(jnp.isinf(hi), jnp.inf, round_up(hi + error))
    return nan_if(invalid, known(lo, hi))


def _adder(operation, indices):
    params = operation.params

    def run(operand, updates):
        return lax.scatter_add(
            operand,
            indices,
            updates,
            params["dimension_numbers"],
            indices_are_sorted=params["indices_are_sorted"],
            unique_indices=params["unique_indices"],
            mode=params["mode"],
        )

    return run


def _anywhere_add(operand, updates):
    """Each update may be added to an element or not."""
    if kind_of(operand) != "float":
        return Interval.unknown(operand.shape, operand.dtype)
    terms = updates.size + 1
    kind = jnp.finfo(operand.dtype)
    slack = 2 * terms * float(kind.eps)
    lo = operand.lo + jnp.sum(jnp.minimum(updates.lo, 0))
    hi = operand.hi + jnp.sum(jnp.maximum(updates.hi, 0))
    total = jnp.sum(magnitude(updates)) + magnitude(operand)
    error = round_up(total * slack, ulps=2) + terms * (4 * float(kind.smallest_normal))
    return _widened(lo, hi, error if slack < 0.25 else jnp.inf)


def _by_parts(operation, operand, indices, updates):
    parts = [
        _scatter_add(
            operation,
            Interval(part(operand.lo), part(operand.hi)),
            indices,
            Interval(part(updates.lo), part(updates.hi)),
        )
        for part in (jnp.real, jnp.imag)
    ]
    return Interval(*map(lax.complex, *[(p.lo, p.hi) for p in parts]))


@rules.define_op("scatter-mul")
def _scatter_mul(operation, operand, indices, updates):
    """operand * factor if one update hits; a bound on magnitudes if several do."""
    operand, updates = Interval.lift(operand), Interval.lift(updates)
    if isinstance(indices, Interval) or kind_of(operand) != "float":
        return Interval.unknown(operand.shape, operand.dtype)
    add = _adder(operation, indices)
    zeros, ones = jnp.zeros_like(operand.lo), jnp.ones_like(operand.lo)
    hits = add(zeros, jnp.ones_like(updates.lo))
    factor = Interval(add(zeros, updates.lo), add(zeros, updates.hi))
    factor = Interval(
        jnp.where(hits == 1, factor.lo, ones), jnp.where(hits == 1, factor.hi, ones)
    )
    single = mul(operand, factor)
    # the product of magnitudes, those below 1 left out, so that no partial product
    # underflows
    sizes = operation(
        ones, indices, jnp.maximum(magnitude(updates), jnp.ones_like(updates.lo))
    )
    share = hits * (4 * float(jnp.finfo(operand.dtype).eps))
    most = round_up(jnp.where(share < 0.25, sizes * (1 + 2 * share), jnp.inf), ulps=4)
    several = mul(operand, Interval(-most, most))
    lo = jnp.where(hits > 1, several.lo, jnp.where(hits == 1, single.lo, operand.lo))
    hi = jnp.where(hits > 1, several.hi, jnp.where(hits == 1, single.hi, operand.hi))
    return known(lo, hi)
