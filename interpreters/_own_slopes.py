"""Enclosures of single elements, each with slopes of its own.

alpha-CROWN shares its slopes between all elements of a value, which keeps a certificate
small. Where the enclosures of one problem serve thousands of sub-problems, slopes that
are best for each element on either side are worth their price.
"""

import jax.numpy as jnp
from jax import lax

from torchlean_jax.domains.interval import Interval
from torchlean_jax.interpreters._alpha import initial_slopes
from torchlean_jax.interpreters._ascent import Choices, ascend
from torchlean_jax.interpreters._backward import lower_bounds
from torchlean_jax.interpreters._crown import both, undecided_elements
from torchlean_jax.interpreters._units import unit_rows

BLOCK = 32  # elements that are bounded together


def by_own_slopes(iterations: int):
    """The refinement (see `enclose`) that ascends `iterations` steps for each element
    that CROWN leaves undecided."""

    def refine(result, number, position, wanted):
        result.refine(number, before=position, wanted=wanted)
        equation = result.graph.equations[position]
        wanted = wanted & undecided_elements(equation, number, result.values)
        if not initial_slopes(result, 1):
            return  # nothing before it has a slope to choose
        lo, hi = _ascended(result, number, position, wanted.reshape(-1), iterations)
        shape = result.values[number].shape
        found = Interval(lo.reshape(shape), hi.reshape(shape))
        result.values[number] = both(result.values[number], found)

    return refine


def _ascended(result, number, position, wanted, iterations):
    """(lo, hi), flat; infinite where not `wanted`, or better by accident."""
    size = wanted.size
    block = min(BLOCK, size)
    order = jnp.argsort(~wanted, stable=True)
    order = jnp.concatenate([order, order[-1:].repeat(-size % block)])
    equations, values = result.graph.equations[:position], result.values
    first = Choices(initial_slopes(result, 2 * block), {})

    def body(k, state):
        lo, hi = state
        indices = lax.dynamic_slice(order, (k * block,), (block,))
        source, rows, offset, error = unit_rows(
            equations, result.steps, values, number, indices
        )

        def lower(choices):
            return lower_bounds(
                equations,
                result.steps,
                values,
                result.sets,
                {source: rows},
                offset,
                choices.slopes,
                error,
            )

        best, _ = ascend(lower, first, iterations)
        return (
            lo.at[indices].max(best[:block]),
            hi.at[indices].min(-best[block:]),
        )

    lo = jnp.full(size, -jnp.inf, values[number].dtype)
    return lax.fori_loop(0, (wanted.sum() + block - 1) // block, body, (lo, -lo))
