"""Cells: the inputs at which chosen switches are in chosen phases.

A switch is an equation max(x, c) with a concrete c. On a cell an element of it may be
*active* (x >= c, phase 1), *inactive* (x <= c, phase -1) or free (phase 0). A phase
sharpens the enclosure of x, after which the relaxation is exact there, and it is a
constraint: T >= T - b * phase * (x - c) for every b >= 0. So multiples of the
constraints are more rows where a backward pass starts, and what rounding them costs is
paid for as for all rows.

Any b is sound; `_cells` looks for good ones.

Source: beta-CROWN (Wang et al. 2021, arXiv:2103.06624, theorem 3.1).
"""

from typing import Any, NamedTuple

import jax.numpy as jnp
from jax import lax

from torchlean_jax.domains.affine._sets import minimum_over
from torchlean_jax.domains.interval import Interval
from torchlean_jax.domains.interval._arithmetic import magnitude
from torchlean_jax.interpreters import _steps
from torchlean_jax.interpreters._crown import Enclosed, enclose


class Switch(NamedTuple):
    """max(x, c) at a position of a graph; `operand` and `level` number x and c."""

    position: int
    operand: int
    level: int


class Whole(NamedTuple):
    """What all cells of a problem have in common, as arrays.

    consts, operands, sets: as for `enclose`. enclosures: of the operands of switches,
    where no phase is fixed. levels: the c of each switch, by operand.
    """

    consts: dict[int, Any]
    operands: dict[int, Any]
    sets: dict[int, Any]
    enclosures: dict[int, Interval]
    levels: dict[int, Interval]


def switches(graph, sets) -> tuple[Switch, ...]:
    """The equations of a graph whose phases can be fixed, in order; sets: numbers of
    the inputs that are sets."""
    abstract = graph.dependents(sets)
    found = {}
    for position, equation in enumerate(graph.equations):
        moving = [n for n in equation.inputs if n in abstract]
        fixed = [n for n in equation.inputs if n not in abstract]
        if equation.name != "max" or len(moving) != 1:
            continue
        (operand,), (level,) = moving, fixed
        same = graph.avals[operand].shape == graph.avals[equation.outputs[0]].shape
        if same and operand not in sets:  # inputs are split as boxes
            found.setdefault(operand, Switch(position, operand, level))
    return tuple(found.values())


def whole(base: Enclosed, parts) -> Whole:
    """The arrays of an enclosed graph that its cells need; parts: switches."""
    values = base.values
    levels = {}
    for part in parts:
        level, shape = Interval.lift(values[part.level]), values[part.operand].shape
        ends = (jnp.broadcast_to(end, shape) for end in (level.lo, level.hi))
        levels[part.operand] = Interval(*ends)
    return Whole(
        {n: values[n] for n in base.graph.constants},
        {n: values[n] for n in base.graph.inputs if n not in base.sets},
        base.sets,
        {part.operand: values[part.operand] for part in parts},
        levels,
    )


def sharpened(value: Interval, level: Interval, phase) -> Interval:
    """What is left of an enclosure in a phase; empty (lo > hi) if nothing is."""
    lo = jnp.where(phase > 0, jnp.maximum(value.lo, level.lo), value.lo)
    hi = jnp.where(phase < 0, jnp.minimum(value.hi, level.hi), value.hi)
    return Interval(lo, hi)


def on_cell(graph, shared: Whole, phases, memory: int) -> tuple[Enclosed, Any]:
    """(the graph with enclosures that hold on a cell, whether the cell is empty).

    phases: by operand of a switch, int[*shape] of 1, 0 and -1. A cell is empty if its
    enclosures contradict its phases; its bounds then mean nothing.
    """
    known = {
        n: sharpened(shared.enclosures[n], shared.levels[n], phases[n]) for n in phases
    }
    result = enclose(
        graph,
        shared.operands,
        shared.sets,
        memory=memory,
        consts=shared.consts,
        before=known,
    )
    empty = jnp.asarray(False)
    for number in known:
        value = result.values[number]
        empty |= jnp.any(value.lo > value.hi)
    return result, empty


def subtract(shared: Whole, values, phases, multipliers, start, offset, error):
    """(offset, error) of the target less multiples of the constraints of a cell.

    values: the enclosures on the cell. multipliers: by operand, [R, *shape]; a negative
    one counts as 0, and so does one whose element is free. start, offset, error: as for
    `lower_bounds`; `start` gets the rows.
    """
    for number, given in multipliers.items():
        # later steps take no coefficient to be subnormal: see `unit_rows`
        tiny = float(jnp.finfo(given.dtype).smallest_normal)
        sign = jnp.sign(phases[number]).astype(given.dtype)
        usable = jnp.where(given >= tiny, given, 0)
        # the choice has no slope at 0, where every multiplier starts
        weights = (given + lax.stop_gradient(usable - given)) * sign
        gained, lost = minimum_over(weights, shared.levels[number])
        offset, error = _steps.add(offset, gained, error + lost)
        size = magnitude(values[number])
        error = error + _steps.accumulate(start, number, -weights, size)
    return offset, error
