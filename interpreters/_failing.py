"""Enclosures that hold wherever a property fails.

A proof by contradiction may use what it is to refute: where no row T_k of a target is
positive, every value v is at least  v + sum_k g_k T_k  for every g >= 0, and a lower
bound of that on a cell is often far above one of v alone. Rows on v and on the outputs
flow back together; g is found by ascent, as slopes and the multipliers of phases are.
Enclosures that contradict each other (lo > hi) prove that the property fails nowhere.

Source: Kotha et al. 2023 (arXiv:2302.01404), section 4.2.
"""

from typing import Any

import jax.numpy as jnp
from jax import lax

from torchlean_jax.domains.interval import Interval
from torchlean_jax.interpreters import _ascent, _multiplied, _phases
from torchlean_jax.interpreters._alpha import initial_slopes
from torchlean_jax.interpreters._ascent import Choices
from torchlean_jax.interpreters._backward import about, lower_bounds
from torchlean_jax.interpreters._cells import Target, halved
from torchlean_jax.interpreters._crown import both, undecided_elements
from torchlean_jax.interpreters._own_slopes import block_size
from torchlean_jax.interpreters._phases import Bend, Switch, Whole
from torchlean_jax.interpreters._units import unit_rows


def where_it_fails(
    graph,
    parts: tuple[Switch | Bend, ...],
    shared: Whole,
    target: Target,
    choices: Choices,
    scale,
    *,
    memory: int,
    iterations: int,
) -> dict[int, Interval]:
    """By operand that is cut, an enclosure where no row of the target is positive on
    its cell.

    shared: enclosures on the cell, or where the target fails on it. choices: with which
    the target was bounded on the cell. scale: about how far below 0 its bound is; it
    sets the unit in which multipliers are sought.
    """
    known = dict(shared.enclosures)
    for part in parts:
        now = shared._replace(enclosures=known)
        cell, _ = _phases.on_cell(graph, now, target.phases, memory)
        options = part, now, target, choices, scale, iterations
        found = _ascended(graph, cell, *options)
        known = known | {part.operand: both(cell.values[part.operand], found)}
    return known


def _ascended(graph, cell, part, shared, target, choices, scale, iterations):
    """An Interval, infinite where the switch leaves nothing to gain."""
    number, value = part.operand, cell.values[part.operand]
    wanted = undecided_elements(graph.equations[part.position], number, cell.values)
    wanted = wanted.reshape(-1)
    block = block_size(cell, value.size)
    order = jnp.argsort(~wanted, stable=True)
    order = jnp.concatenate([order, order[-1:].repeat(-value.size % block)])
    first = _first(cell, part, target, choices, 2 * block)
    lowest = {"phases": _phases.lowest_multipliers(target.phases), "rows": 0.0}
    width = (value.hi - value.lo).reshape(-1) / scale
    width = jnp.where(jnp.isfinite(width), width, 0)

    def tighter(state, k):
        lo, hi = state
        indices = lax.dynamic_slice(order, (k * block,), (block,))
        before = graph.equations[: part.position]
        source, rows, offset, error = unit_rows(
            before, cell.steps, cell.values, number, indices
        )
        unit = jnp.tile(width[indices], 2)[:, None]
        half: list[Any] = [*halved(cell, shared, target)]
        half += _ascent.halved([rows, offset, unit])

        def guess(choices):
            start, constant, _ = _started(
                *half, source=source, error=0, choices=choices
            )
            return about(
                graph.equations,
                half[0].steps,
                *_at(half[0], start),
                constant,
                choices.slopes,
            )

        kept = _ascent.ascend(guess, first, iterations, lowest)
        start, constant, error = _started(
            cell, shared, target, rows, offset, unit, source, error, kept
        )
        best = lower_bounds(
            graph.equations, cell.steps, *_at(cell, start), constant, kept.slopes, error
        )
        return lo.at[indices].max(best[:block]), hi.at[indices].min(-best[block:])

    def body(state, k):
        is_wanted = k * block < wanted.sum()
        return lax.cond(is_wanted, tighter, lambda state, k: state, state, k), None

    lo = jnp.full(value.size, -jnp.inf, value.dtype)
    lo, hi = lax.scan(body, (lo, -lo), jnp.arange(len(order) // block))[0]
    return Interval(lo.reshape(value.shape), hi.reshape(value.shape))


def _at(cell, start):
    return cell.values, cell.sets, start


def _started(cell, shared, target, rows, offset, unit, source, error, choices):
    """(rows, offset, error) where the backward pass of elements starts, as rows on the
    value `source`, with multiples of the phases and of the target. unit: [R, 1]."""
    start = {source: rows}
    offset, error = _phases.subtract(
        shared,
        cell.values,
        target.phases,
        choices.multipliers["phases"],
        start,
        offset,
        error,
    )
    taken = _constraints(cell, target, choices.multipliers["rows"] * unit)
    offset, error = _multiplied.subtract(
        taken, cell.graph.outputs, cell.values, start, offset, error
    )
    return start, offset, error


def _constraints(cell, target: Target, multipliers):
    """rows @ outputs <= offset, as `_multiplied` has them."""
    tiny = float(jnp.finfo(multipliers.dtype).smallest_normal)
    usable = jnp.where(multipliers >= tiny, multipliers, 0)
    # the choice has no slope at 0, where every multiplier starts
    multipliers = multipliers + lax.stop_gradient(usable - multipliers)
    normals, at = [], 0
    for number in cell.graph.outputs:
        value = Interval.lift(cell.values[number])
        part = target.rows[:, at : at + value.size].reshape(-1, *value.shape)
        at += value.size
        normals.append(-part)
    return _multiplied.Multiplied(multipliers, normals, -target.offset)


def _first(cell, part, target, choices, count) -> Choices:
    """Slopes of the rules up to the switch; from there on, where only rows of the
    target flow, those that were good for it."""
    slopes = {}
    for position, start in initial_slopes(cell, count).items():
        if position >= part.position:
            start = jnp.broadcast_to(choices.slopes[position][0], start.shape)
        slopes[position] = start
    zero = {
        n: jnp.zeros((count, *p.shape), cell.values[n].dtype)
        for n, p in target.phases.items()
    }
    dtype = cell.values[part.operand].dtype
    rows = jnp.zeros((count, len(target.offset)), dtype)
    return Choices(slopes, {"phases": zero, "rows": rows})
