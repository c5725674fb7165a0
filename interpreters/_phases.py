"""Cells: the inputs at which chosen elements of values are on chosen sides.

Elements of operands of nonlinear equations are cut. A *switch* is the operand x of one
equation max(x, c) with a concrete c, and is cut at c, once: on a cell an element is
*active* (x >= c, phase 1), *inactive* (x <= c, phase -1) or free (phase 0), and where
it has a phase the relaxation is exact. A *bend* is any other operand (of tanh, of a
product, of a maximum of several values); it is cut anywhere and again, so that a cell
has an interval [l, u] for each of its elements, and phases say which ends are cuts: 1
the lower, -1 the upper, 2 and -2 both (the sign is that of the first cut).

A cut sharpens the enclosure of x, from which relaxations are built, and it is a
constraint: T >= T - b * (x - l) and T >= T - b * (u - x) for every b >= 0. (Of two ends
at most one is of use at a time, for b * (x - l) + b * (u - x) is no less than 0.) So
multiples of the constraints are more rows where a backward pass starts, and what
rounding them costs is paid for as for all rows.

Any b is sound; `_cells` looks for good ones.

Sources: beta-CROWN (Wang et al. 2021, arXiv:2103.06624, theorem 3.1); for bends, GenBaB
(Shi et al. 2024, arXiv:2405.21063).
"""

from typing import Any, NamedTuple

import jax.numpy as jnp
from jax import lax

from torchlean_jax.domains.affine._sets import minimum_over
from torchlean_jax.domains.interval import Interval
from torchlean_jax.domains.interval._arithmetic import magnitude
from torchlean_jax.interpreters import _linear, _steps
from torchlean_jax.interpreters._crown import Enclosed, enclose, has_step


class Switch(NamedTuple):
    """max(x, c) at a position of a graph; `operand` and `level` number x and c."""

    position: int
    operand: int
    level: int

    @property
    def positions(self):
        return (self.position,)


class Bend(NamedTuple):
    """The operand of nonlinear equations at some positions of a graph, in order."""

    positions: tuple[int, ...]
    operand: int

    @property
    def position(self):
        return self.positions[0]


class Whole(NamedTuple):
    """What all cells of a problem have in common, as arrays.

    consts, operands, sets: as for `enclose`. enclosures: of switches and bends, where
    no phase is fixed; those of a cell in place of them have its cuts of bends. levels:
    the c of each switch, by operand.
    """

    consts: dict[int, Any]
    operands: dict[int, Any]
    sets: dict[int, Any]
    enclosures: dict[int, Interval]
    levels: dict[int, Interval]


def places_to_cut(graph, sets) -> tuple[Switch | Bend, ...]:
    """The values of a graph that are cut, in the order of their use; sets: numbers of
    the inputs that are sets."""
    abstract = graph.dependents(sets)
    known = {
        n: Interval(a, a) if n in abstract else a for n, a in enumerate(graph.avals)
    }
    switched, used = {}, {}
    for position, equation in enumerate(graph.equations):
        moving = [n for n in equation.inputs if n in abstract]
        if not moving or not has_step(equation):
            continue
        if _linear.is_linear(equation, known, abstract):
            continue
        switch = _switch(graph, position, equation, moving)
        for number in dict.fromkeys(moving):
            # inputs are split as boxes
            if number not in sets and _linear.is_float(graph.avals[number]):
                used.setdefault(number, []).append(position)
                first = switched.setdefault(number, switch)
                switched[number] = switch and first
    found = [
        switched[number] or Bend(tuple(positions), number)
        for number, positions in used.items()
    ]
    return tuple(sorted(found, key=lambda part: (part.position, part.operand)))


def _switch(graph, position, equation, moving) -> Switch | None:
    fixed = [n for n in equation.inputs if n not in moving]
    if equation.name != "max" or len(moving) != 1 or len(fixed) != 1:
        return None
    (operand,), (level,) = moving, fixed
    same = graph.avals[operand].shape == graph.avals[equation.outputs[0]].shape
    return Switch(position, operand, level) if same else None


def whole(base: Enclosed, parts) -> Whole:
    """The arrays of an enclosed graph that its cells need; parts: what is cut."""
    values = base.values
    levels = {}
    for part in parts:
        if isinstance(part, Bend):
            continue
        level, shape = Interval.lift(values[part.level]), values[part.operand].shape
        ends = (jnp.broadcast_to(end, shape) for end in (level.lo, level.hi))
        levels[part.operand] = Interval(*ends)
    return Whole(
        {n: values[n] for n in base.graph.constants},
        {n: values[n] for n in base.graph.inputs if n not in base.sets},
        base.sets,
        {part.operand: Interval.lift(values[part.operand]) for part in parts},
        levels,
    )


def sharpened(value: Interval, level: Interval, phase) -> Interval:
    """What is left of an enclosure in a phase; empty (lo > hi) if nothing is."""
    lo = jnp.where(phase > 0, jnp.maximum(value.lo, level.lo), value.lo)
    hi = jnp.where(phase < 0, jnp.minimum(value.hi, level.hi), value.hi)
    return Interval(lo, hi)


def cut_at(value: Interval):
    """Where to cut elements of a bend; NaN where there is no number between the ends.

    In single precision, so that halves are kept in half the memory and lose nothing.
    """
    middle = (value.lo * 0.5 + value.hi * 0.5).astype(jnp.float32).astype(value.dtype)
    inside = (value.lo < middle) & (middle < value.hi)
    return jnp.where(inside, middle, jnp.nan)


def cut_again(old, side):
    """The phase of an element that is cut once more; side: 1 if it lies above the cut,
    -1 below."""
    return old + (old == 0) * side + (old == -side) * old


def known_of(shared: Whole, phases) -> dict[int, Interval]:
    """What a cell says of the values that are cut."""
    return {
        n: sharpened(v, shared.levels[n], phases[n]) if n in shared.levels else v
        for n, v in shared.enclosures.items()
    }


def on_cell(graph, shared: Whole, phases, memory: int) -> tuple[Enclosed, Any]:
    """(the graph with enclosures that hold on a cell, whether the cell is empty).

    phases: by operand, int[*shape]. A cell is empty if its enclosures contradict it;
    its bounds then mean nothing.
    """
    known = known_of(shared, phases)
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


def lowest_multipliers(phases):
    """How far multipliers may go down: those of a bend that was cut on both sides may
    be negative, and are then multipliers of its second cut."""
    return {n: jnp.where(abs(p) == 2, -jnp.inf, 0.0) for n, p in phases.items()}


def _ends(shared: Whole, number, phase) -> Interval:
    """The level of a switch, or the ends of a bend: of one that was cut on one side,
    that side twice."""
    if number in shared.levels:
        return shared.levels[number]
    value = shared.enclosures[number]
    lo = jnp.where(phase == -1, value.hi, value.lo)
    hi = jnp.where(phase == 1, value.lo, value.hi)
    # what has no multiplier may be infinite
    return Interval(*(jnp.where(phase == 0, 0, end) for end in (lo, hi)))


def subtract(shared: Whole, values, phases, multipliers, start, offset, error):
    """(offset, error) of the target less multiples of the constraints of a cell.

    values: the enclosures on the cell. multipliers: by operand, [R, *shape]; one below
    its lowest counts as 0, and so does one whose element is free. start, offset, error:
    as for `lower_bounds`; `start` gets the rows.
    """
    for number, given in multipliers.items():
        phase = phases[number]
        # later steps take no coefficient to be subnormal: see `unit_rows`
        tiny = float(jnp.finfo(given.dtype).smallest_normal)
        sign = jnp.sign(phase).astype(given.dtype)
        usable = jnp.where(given >= tiny, given, 0)
        usable = jnp.where((abs(phase) == 2) & (given <= -tiny), given, usable)
        # the choice has no slope at 0, where every multiplier starts
        weights = (given + lax.stop_gradient(usable - given)) * sign
        # -w x + min(w l, w u) <= 0 for every x between the ends l and u
        gained, lost = minimum_over(weights, _ends(shared, number, phase))
        offset, error = _steps.add(offset, gained, error + lost)
        size = magnitude(values[number])
        error = error + _steps.accumulate(start, number, -weights, size)
    return offset, error
