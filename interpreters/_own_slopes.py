"""Enclosures of single elements, each with slopes of its own, layer after layer.

The tightest of all: bounds of an element that are ascended for its own sake gain more
than slopes that all elements of a value share and that only the outputs pull at (ACAS
Xu 1_1, twenty steps: width 352 against 555). What is shared (`_alpha`) fits into a
certificate.
"""

import jax.numpy as jnp
from jax import lax

from torchlean_jax.domains.interval import Interval
from torchlean_jax.interpreters._alpha import initial_slopes
from torchlean_jax.interpreters._ascent import Choices, ascend, halved
from torchlean_jax.interpreters._backward import about, lower_bounds
from torchlean_jax.interpreters._crown import both, undecided_elements
from torchlean_jax.interpreters._units import unit_rows

BLOCK = 32  # elements that are bounded together, unless memory is short
# Arrays of the size of the slopes that live together: these, the best, the gradient,
# Adam's two, the change, the rows of the pass, and those that its derivative needs.
_ARRAYS = 8


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


def block_size(result, size: int) -> int:
    """How many of so many elements may be bounded together."""
    slopes = sum(a.nbytes for a in initial_slopes(result, 2).values())
    return max(1, min(BLOCK, size, result.memory // (_ARRAYS * max(slopes, 1))))


def _ascended(result, number, position, wanted, iterations):
    """(lo, hi), flat; infinite where not `wanted`, but for what a block holds beside
    (no certificate rests on these enclosures)."""
    size = wanted.size
    block = block_size(result, size)
    order = jnp.argsort(~wanted, stable=True)
    order = jnp.concatenate([order, order[-1:].repeat(-size % block)])
    equations, values = result.graph.equations[:position], result.values
    first = Choices(initial_slopes(result, 2 * block), {})

    def tighter(state, k):
        lo, hi = state
        indices = lax.dynamic_slice(order, (k * block,), (block,))
        source, rows, offset, error = unit_rows(
            equations, result.steps, values, number, indices
        )

        quick = [*halved((values, result.sets, {source: rows}, offset))]

        def guess(choices):
            return about(equations, result.steps, *quick, slopes=choices.slopes)

        kept = ascend(guess, first, iterations)
        best = lower_bounds(
            equations,
            result.steps,
            values,
            result.sets,
            {source: rows},
            offset,
            kept.slopes,
            error,
        )
        return (
            lo.at[indices].max(best[:block]),
            hi.at[indices].min(-best[block:]),
        )

    def body(state, k):
        is_wanted = k * block < wanted.sum()
        return lax.cond(is_wanted, tighter, lambda state, k: state, state, k), None

    lo = jnp.full(size, -jnp.inf, values[number].dtype)
    # a scan and not a loop that stops early, which has no reverse derivative
    return lax.scan(body, (lo, -lo), jnp.arange(len(order) // block))[0]
