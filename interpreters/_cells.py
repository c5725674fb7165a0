"""Lower bounds on cells, with slopes and multipliers chosen by gradient ascent.

What is computed here only chooses numbers: that every choice is sound is the business
of `_phases` and `_backward`. Which switch to fix next is in `_splits`.

Source: beta-CROWN (Wang et al. 2021, arXiv:2103.06624).
"""

from dataclasses import replace
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from torchlean_jax.interpreters import _ascent
from torchlean_jax.interpreters._alpha import initial_slopes
from torchlean_jax.interpreters._ascent import Choices
from torchlean_jax.interpreters._backward import about, lower_bounds, substituted
from torchlean_jax.interpreters._phases import (
    Whole,
    lowest_multipliers,
    on_cell,
    subtract,
)


class Target(NamedTuple):
    """rows @ outputs - offset on a cell (phases as for `on_cell`)."""

    phases: dict[int, Any]
    rows: Any
    offset: Any


class Bounded(NamedTuple):
    """The best bound of each row ([R], inf if the cell is empty) and the choices behind
    it."""

    lower: Any
    choices: Choices


def first_choices(graph, shared: Whole, memory: int, rows: int) -> Choices:
    """Where the ascent starts if there is no parent to start from."""
    free = {n: jnp.zeros(v.shape, jnp.int8) for n, v in shared.enclosures.items()}
    base, _ = on_cell(graph, shared, free, memory)
    multipliers = {
        n: jnp.zeros((rows, *v.shape), v.dtype) for n, v in shared.enclosures.items()
    }
    return Choices(initial_slopes(base, rows), multipliers)


def bound_cell(
    graph, shared: Whole, target: Target, first: Choices, *, memory, iterations
) -> Bounded:
    """Lower bounds of a target, from `first` upward."""
    cell, empty = on_cell(graph, shared, target.phases, memory)
    half = halved(cell, shared, target)
    kept = _ascent.ascend(
        lambda choices: about_with(*half, choices),
        first,
        iterations,
        lowest_multipliers(target.phases),
    )
    # as half precision holds them: a certificate has the very slopes of the bound
    short = jax.tree.map(lambda s: jax.lax.reduce_precision(s, 5, 10), kept.slopes)
    kept = kept._replace(slopes=short)
    lower = lower_with(cell, shared, cell.values, target, kept)
    return Bounded(jnp.where(empty, jnp.inf, lower), kept)


def halved(cell, shared: Whole, target: Target):
    """All of it in single precision, for choosing."""
    values, sets = _ascent.halved((cell.values, cell.sets))
    cell = replace(cell, values=values, sets=sets)
    return cell, _ascent.halved(shared), _ascent.halved(target)


def about_with(cell, shared: Whole, target: Target, choices: Choices):
    """What `lower_with` comes to but for rounding."""
    start, constant, _ = started(cell, shared, cell.values, target, choices)
    equations = cell.graph.equations[: len(cell.steps)]
    return about(
        equations, cell.steps, cell.values, cell.sets, start, constant, choices.slopes
    )


def lower_with(cell, shared, values, target: Target, choices: Choices):
    """Lower bounds of a target with given choices; values: enclosures on the cell."""
    start, constant, error = started(cell, shared, values, target, choices)
    equations = cell.graph.equations[: len(cell.steps)]
    return lower_bounds(
        equations, cell.steps, values, cell.sets, start, constant, choices.slopes, error
    )


class Forms(NamedTuple):
    """Rows over the inputs ([R, N]: the input sets end to end) plus constants [R], by
    which a target is bounded on a cell; `_by_multipliers`: what a unit of each
    multiplier adds ([M, N] and [M]: the switches end to end), the same for all rows.
    """

    rows: Any
    constants: Any
    rows_by_multipliers: Any
    constants_by_multipliers: Any


def forms(graph, shared: Whole, target: Target, choices: Choices, *, memory) -> Forms:
    """What is minimised over the input sets, as a function of the multipliers.

    Where only switches are cut, it is an affine one. Computed in floating point: for
    choosing multipliers.
    """
    cell, _ = on_cell(graph, shared, target.phases, memory)
    equations = cell.graph.equations[: len(cell.steps)]

    def flat(multipliers):
        at = choices._replace(multipliers=multipliers)
        start, constant, _ = started(cell, shared, cell.values, target, at)
        left, constant, _ = substituted(
            equations, cell.steps, cell.values, start, constant, at.slopes
        )
        count = len(constant)
        parts = [
            left.get(n, jnp.zeros((count, *region.shape))).reshape(count, -1)
            for n, region in cell.sets.items()
        ]
        return jnp.concatenate(parts, 1), constant

    zero = jax.tree.map(jnp.zeros_like, choices.multipliers)
    (rows, constants), change = jax.linearize(flat, zero)
    numbers = list(zero)
    sizes = [zero[n][0].size for n in numbers]

    def unit(index):
        before, tangent = 0, {}
        for n, size in zip(numbers, sizes, strict=True):
            one = (jnp.arange(size) + before == index).astype(zero[n].dtype)
            tangent[n] = jnp.broadcast_to(one.reshape(zero[n][0].shape), zero[n].shape)
            before += size
        more, constant = change(tangent)
        return more[0], constant[0]

    return Forms(rows, constants, *jax.lax.map(unit, jnp.arange(sum(sizes))))


def started(cell, shared, values, target: Target, choices: Choices):
    """(rows, offset, error) where the backward pass of a target starts."""
    start, lost = cell.start(cell.graph.outputs, target.rows)
    constant, error = subtract(
        shared,
        values,
        target.phases,
        choices.multipliers,
        start,
        -target.offset,
        lost,
    )
    return start, constant, error
