"""Cells as parts: the kind of sub-problem for ReLU networks of many inputs.

A cell fixes phases of elements of max(x, c), c concrete; it is cut across one more of
them, where x equals c. What all cells have in common is bounded once (`Region`).
"""

import functools
import itertools
from dataclasses import dataclass
from fractions import Fraction

import jax
import numpy as np

from torchlean_jax._constants import wide
from torchlean_jax._problem import DEFAULT_MEMORY, Task, is_set, problem_of
from torchlean_jax._snapshot import Snapshot
from torchlean_jax.domains._errors import InputError
from torchlean_jax.interpreters._cells import (
    Bounded,
    Choices,
    Target,
    bound_cell,
    first_choices,
)
from torchlean_jax.interpreters._crown import crown, enclose
from torchlean_jax.interpreters._own_slopes import by_own_slopes
from torchlean_jax.interpreters._phases import switches, whole
from torchlean_jax.interpreters._splits import rank
from torchlean_jax.search import _branch
from torchlean_jax.search._frontier import Rows
from torchlean_jax.search._tree import Splits

TOGETHER = 32  # cells in one vmap
_ITERATIONS = 20
_CANDIDATES = 8
_MOST_CLAUSES = 4096


class Region:
    """A model on its input sets: enclosures, and programs for cells of any rows.

    method: "crown", or "alpha-crown" for enclosures with slopes of their own. Raises
    InputError if nothing in the model has phases.
    """

    def __init__(self, model: Snapshot, args: tuple, method: str):
        leaves, tree = jax.tree.flatten((args, {}), is_leaf=is_set)
        self.leaves, self.task = leaves, problem_of(model).at(leaves, tree)
        self.parts = _switches(self.task, leaves)
        if not self.parts:
            raise InputError(
                "no max(x, c) of this model has phases to fix: cut its inputs instead"
            )
        key = "cells", tree, tuple(map(is_set, leaves))
        programs = functools.partial(_programs, self.task, self.parts)
        self.bounded, self.ranked, self.first = model.once(key, programs)
        enclosed = functools.partial(_whole, self.task, self.parts, method)
        enclosed = model.once((*key, method), lambda: jax.jit(enclosed))
        with jax.enable_x64(True):
            given = [x if is_set(x) else wide(x) for x in leaves]
            self.shared = enclosed(self.task.wide_consts, given)


def has_phases(model: Snapshot, args: tuple) -> bool:
    """Whether anything in the model on its input sets has phases to fix."""
    leaves, tree = jax.tree.flatten((args, {}), is_leaf=is_set)
    return bool(_switches(problem_of(model).at(leaves, tree), leaves))


def _switches(task: Task, leaves):
    pairs = zip(task.graph.inputs, leaves, strict=True)
    return switches(task.graph, {number for number, leaf in pairs if is_set(leaf)})


def _whole(task: Task, parts, method, consts, leaves):
    sets, operands = {}, {}
    for number, leaf in zip(task.graph.inputs, leaves, strict=True):
        if is_set(leaf):
            sets[number] = leaf.lift(leaf) if hasattr(leaf, "lo") else leaf.lift()
        else:
            operands[number] = leaf
    refine = by_own_slopes(_ITERATIONS) if method == "alpha-crown" else crown
    options = {"memory": DEFAULT_MEMORY, "consts": consts, "refine": refine}
    return whole(enclose(task.graph, operands, sets, **options), parts)


def _programs(task: Task, parts):
    """The jitted functions that bound cells, rank their cuts and start an ascent."""
    graph, memory = task.graph, DEFAULT_MEMORY

    def bounded(shared, phases, choices, rows, offset):
        def one(phases, choices):
            target = Target(phases, rows, offset)
            options = {"memory": memory, "iterations": _ITERATIONS}
            return bound_cell(graph, shared, target, choices, **options)

        return jax.vmap(one)(phases, choices)

    def ranked(shared, phases, choices, rows, offset):
        def one(phases, choices):
            target = Target(phases, rows, offset)
            options = {"memory": memory, "candidates": _CANDIDATES}
            return rank(graph, parts, shared, target, choices, **options)

        return jax.vmap(one)(phases, choices)

    def first(shared, rows):
        return first_choices(graph, shared, memory, len(rows))

    return jax.jit(bounded), jax.jit(ranked), jax.jit(first)


class Cells:
    """Parts of a region on which one of some rows is to be positive: see `Kind`.

    rows, offset: of a disjunction. slack: float64[R], to be taken off their bounds.
    keeps: whether a certificate will want to know the choices behind bounds.
    """

    def __init__(self, region: Region, rows, offset, slack, keeps: bool = False):
        self._region, self._slack, self._keeps = region, slack, keeps
        self._rows, self._offset = np.asarray(rows), np.asarray(offset)
        self._points = []
        with jax.enable_x64(True):
            first = region.first(region.shared, self._rows)
        self._first, self._tree = jax.tree.flatten(jax.tree.map(np.asarray, first))
        self._shapes = [region.shared.enclosures[p.operand].shape for p in region.parts]
        sizes = [int(np.prod(shape)) for shape in self._shapes]
        self._ends = np.cumsum([0, *sizes])
        levels = [region.shared.levels[p.operand] for p in region.parts]
        self._levels = np.concatenate([np.ravel(level.lo) for level in levels])

    def root(self) -> Rows:
        rows = {f"choice{k}": _narrow(c)[None] for k, c in enumerate(self._first)}
        return rows | {"phases": np.zeros((1, self._ends[-1]), np.int8)}

    def bound(self, rows: Rows) -> _branch.Bounded:
        found = self._in_turns(self._region.bounded, rows)
        lower, choices = Bounded(*found)
        lower = np.nextafter(lower - self._slack, -np.inf)
        margin = np.where(np.isnan(lower), -np.inf, lower).max(axis=1)
        kept = enumerate(jax.tree.leaves(choices))
        points, self._points = self._points, []
        extra = {f"choice{k}": _narrow(c) for k, c in kept}
        evidence = extra if self._keeps else {}
        return _branch.Bounded(margin, points, extra, evidence)

    def choices(self, evidence: Rows) -> Choices:
        """The choices behind bounds of proved cells, each with a leading axis."""
        kept = [evidence[f"choice{k}"] for k in range(len(self._first))]
        return jax.tree.unflatten(self._tree, kept)

    def trimmed(self, rows: Rows, extra: Rows):
        """Nothing: a cell ends where phases change."""
        return iter(())

    def split(self, rows: Rows, extra: Rows) -> tuple[np.ndarray, Splits, Rows, Rows]:
        """Across the element that `_splits.rank` puts first."""
        count = len(rows["phases"])
        if count == 0:
            nothing = np.zeros(0, np.int64)
            none = Splits(nothing, nothing, np.zeros(0))
            return nothing.astype(bool), none, rows | extra, rows | extra
        found = self._in_turns(self._region.ranked, rows | extra)
        self._points = self._worst_point(rows, found.points)
        can = found.gains[:, 0] > -np.inf
        index = found.indices[can, 0]
        part = np.searchsorted(self._ends, index, side="right") - 1
        value = np.array([p.operand for p in self._region.parts])[part]
        at = self._levels[index]
        halves = []
        for phase in (-1, 1):  # lower: x <= c
            phases = rows["phases"][can].copy()
            phases[np.arange(len(index)), index] = phase
            half = {name: array[can] for name, array in extra.items()}
            halves.append(half | {"phases": phases})
        return can, Splits(value, index - self._ends[part], at), *halves

    def shares(self, rows: Rows) -> np.ndarray:
        """As if each cut halved a cell: their volumes are not known."""
        return 0.5 ** rows["depth"].astype(float)

    def share(self, rows: Rows) -> Fraction:
        return sum((Fraction(1, 2**n) for n in rows["depth"].tolist()), Fraction(0))

    def _worst_point(self, rows, points):
        """Where the bound of the worst cell is reached, as leaves of the arguments."""
        worst = int(np.argmin(rows["bound"]))
        numbers = self._region.task.graph.inputs
        pairs = zip(numbers, self._region.leaves, strict=True)
        return [
            [
                points[n][worst].astype(leaf.dtype) if is_set(leaf) else leaf
                for n, leaf in pairs
            ]
        ]

    def _in_turns(self, program, rows):
        """A program on all rows, `TOGETHER` at a time, as NumPy arrays."""
        count, found = len(rows["phases"]), []
        for start in range(0, count, TOGETHER):
            at = np.minimum(np.arange(start, start + TOGETHER), count - 1)
            phases = {
                part.operand: rows["phases"][at, a:b].reshape(-1, *shape)
                for part, (a, b), shape in zip(
                    self._region.parts,
                    itertools.pairwise(self._ends),
                    self._shapes,
                    strict=True,
                )
            }
            kept = [
                rows[f"choice{k}"][at].astype(np.float64)
                for k in range(len(self._first))
            ]
            choices: Choices = jax.tree.unflatten(self._tree, kept)
            with jax.enable_x64(True):
                part = program(
                    self._region.shared, phases, choices, self._rows, self._offset
                )
                found.append(jax.tree.map(np.asarray, part))
        return jax.tree.map(lambda *parts: np.concatenate(parts)[:count], *found)


@dataclass(frozen=True)
class Proofs:
    """The searches that prove the clauses of a formula of this shape, in order, each
    with its kind."""

    region: Region
    shape: tuple
    parts: list[tuple[Cells, _branch.Search]]


def _narrow(choice):
    """Any choice is sound, so open cells keep theirs in half the memory."""
    return np.asarray(choice, np.float32)


def clauses(shape: tuple) -> list[list[int]]:
    """A formula's shape as a conjunction of disjunctions of rows.

    Raises InputError if that makes too many of them.
    """
    kind, *rest = shape
    if kind == "rows":
        return [[row] for row in range(*rest)]
    parts = [clauses(part) for part in rest[0]]
    if kind == "all":
        return [clause for part in parts for clause in part]
    if np.prod([float(len(part)) for part in parts]) > _MOST_CLAUSES:
        raise InputError(
            f"the spec is a conjunction of more than {_MOST_CLAUSES} disjunctions"
        )
    return [sorted({*itertools.chain(*c)}) for c in itertools.product(*parts)]
