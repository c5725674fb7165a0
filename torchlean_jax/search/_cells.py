"""Cells as parts: the kind of sub-problem for networks of many inputs.

A cell fixes phases of elements of max(x, c), c concrete, and intervals of elements that
go through other bends (`_phases`); it is cut across one more of them. What all cells
have in common is bounded once (`Region`).
"""

import itertools
from dataclasses import dataclass
from fractions import Fraction

import jax
import numpy as np

from torchlean_jax import _execution
from torchlean_jax._problem import is_set
from torchlean_jax.domains._errors import InputError
from torchlean_jax.interpreters._alpha import with_hinted
from torchlean_jax.interpreters._cells import Bounded, Choices
from torchlean_jax.interpreters._phases import Bend, Switch, cut_again
from torchlean_jax.search import _branch, _corners
from torchlean_jax.search._frontier import Rows
from torchlean_jax.search._hints import PhaseCut
from torchlean_jax.search._layout import TOGETHER, Layout, narrow, outward
from torchlean_jax.search._lemmas import Lemmas
from torchlean_jax.search._region import Region
from torchlean_jax.search._tree import Splits

# Narrowing takes about as long as some dozens of cells: as many share it
_NARROWED_EVERY = 8  # cuts
# So that a search can end between two; and the same ones whoever bounds them, so of
# the cells in one vmap
_NARROWED_AT_ONCE = 2
_ABOVE = 2.0**-10  # of what a bound lacks: properties are taken to hold by less
_MOST_CLAUSES = 4096
_LARGEST_PROGRAM = 2**20  # entries of the constraints of a cell, as linear program


class Cells:
    """Parts of a region on which one of some rows is to be positive: see `Kind`.

    rows, offset: of a disjunction. Where the region is asked about executions, what
    these round on a cell is taken off its bounds.
    keeps: whether a certificate will want to know the choices behind bounds. Without,
    enclosures of each cell are narrowed on the way to where the disjunction fails
    (`_failing`), in ways that the checker does not follow. slopes: of hints, to begin
    with.
    """

    def __init__(self, region: Region, rows, offset, keeps=False, slopes=()):
        self.region, self._keeps = region, keeps
        self._rows, self._offset = np.asarray(rows), np.asarray(offset)
        with jax.enable_x64(True):
            first: Choices = region.first(region.shared, self._rows)
            hinted = with_hinted(first.slopes, slopes, region.task.graph)
            first = first._replace(slopes=self._usable(hinted))
        self._layout = Layout(region, first)
        self._target = region.reaching(self._rows)
        self.narrows = not keeps and region.follows
        self._bends = [isinstance(part, Bend) for part in region.parts]
        self._levels = np.concatenate([*map(self._levels_of, region.parts)])
        self._box = _ends_of(region.shared.sets.values())

    def _usable(self, slopes):
        """Slopes that are free. The checker has a rule of its own for bends: with a
        certificate in view they are bounded as there."""
        if not self._keeps:
            return slopes
        switched = {p.position for p in self.region.parts if isinstance(p, Switch)}
        return {k: slope for k, slope in slopes.items() if k in switched}

    def _levels_of(self, part) -> np.ndarray:
        """Where the elements of a switch are cut; NaN for a bend."""
        if isinstance(part, Bend):
            return np.full(self.region.shared.enclosures[part.operand].size, np.nan)
        return np.ravel(self.region.shared.levels[part.operand].lo)

    def root(self) -> Rows:
        rows = self._layout.root()
        if self.region.follows or any(self._bends):
            rows |= self._layout.ends_at_first()
        if self.narrows:
            rows |= {"cuts": np.zeros(1, np.int32), "most": np.full(1, np.inf)}
        return rows

    def bound(self, rows: Rows) -> _branch.Bounded:
        if self.narrows:
            rows = rows | {name: rows[name].copy() for name in _NARROWED}
        found = Bounded(*self._in_turns(self.region.bounded, rows))
        slack = self._slack(rows)
        margin = self._margin(found.lower, slack)
        if self.narrows:
            margin = np.minimum(margin, rows["most"])
            self._narrow_some(rows, found.choices, margin, slack)
        best, at, points = self._next_cuts(rows, found.choices, margin)
        for k in np.flatnonzero(~(margin > 0) & (best < 0)).tolist():
            better = self._at_the_corner(rows, found.choices, k)
            if better is not None and better[0] > margin[k]:
                margin[k] = better[0]
                _put(found.choices, k, better[1])
        evidence = self._kept(found.choices)
        extra = evidence | {"best": best, "at": at}
        if self.narrows:
            extra |= {name: rows[name] for name in _NARROWED}
        evidence = evidence | {"margin": margin} if self._keeps else {}
        return _branch.Bounded(margin, points, extra, evidence)

    def _kept(self, choices: Choices) -> Rows:
        found = self._layout.rows_of(choices)
        return {name: narrow(choice) for name, choice in found.items()}

    def _next_cuts(self, rows: Rows, choices: Choices, margin):
        """(the element that `_splits.rank` puts first, -1 if none is free or the cell
        is proved; where to cut it; where the bound of the worst cell is reached)."""
        best, open_ = np.full(len(margin), -1), np.flatnonzero(~(margin > 0))
        at = np.full(len(margin), np.nan)
        if not len(open_):
            return best, at, []
        kept = self._layout.rows_of(choices)
        left = {name: array[open_] for name, array in (rows | kept).items()}
        found = self._in_turns(self.region.ranked, left)
        can = found.gains[:, 0] > -np.inf
        best[open_[can]], at[open_[can]] = found.indices[can, 0], found.at[can, 0]
        return best, at, self._point(found.points, int(np.argmin(margin[open_])))

    def _slack(self, rows: Rows) -> np.ndarray:
        """[n, R]: by how much the rows may be less in an execution, on each cell."""
        none = np.zeros((len(rows["phases"]), len(self._offset)))
        if self.region.rounded is None:
            return none
        errors = self._in_turns(self.region.rounded, rows)
        return -_execution.lowered_by(errors, none, self._rows)

    def _margin(self, lower, slack) -> np.ndarray:
        is_empty = lower == np.inf  # a cell without inputs, and so without executions
        lower = np.where(is_empty, lower, np.nextafter(lower - slack, -np.inf))
        return np.where(np.isnan(lower), -np.inf, lower).max(axis=1)

    def _again(self, rows: Rows, choices: Choices):
        """(margins, choices) of cells that were bounded with such choices."""
        rows = rows | self._layout.rows_of(choices)
        found = Bounded(*self._in_turns(self.region.bounded, rows))
        margin = self._margin(found.lower, self._slack(rows))
        return np.minimum(margin, rows.get("most", np.inf)), found.choices

    def _at_the_corner(self, rows: Rows, choices: Choices, k: int):
        """(margin, choices) of a cell without free phases by the multipliers of
        `_corners`, or None."""
        if any(self._bends) or self._box is None:
            return None
        if self._layout.size * len(self._box[0]) > _LARGEST_PROGRAM:
            return None
        own = jax.tree.map(lambda c: c[k], choices)
        phases = rows["phases"][k]
        with jax.enable_x64(True):
            found = self.region.forms(
                self.region.shared,
                self._layout.enclosures({n: a[k] for n, a in rows.items()}),
                self._layout.by_part(phases),
                own,
                self._rows,
                self._offset,
            )
        forms = jax.tree.map(np.asarray, found)
        weights = _corners.multipliers(forms, phases != 0, *self._box)
        if weights is None:
            return None
        best = self._layout.by_part(weights)
        own = own._replace(multipliers={n: best[n] for n in own.multipliers})
        one = {name: array[k : k + 1] for name, array in rows.items()}
        (margin,), found = self._again(one, jax.tree.map(lambda c: c[None], own))
        return margin, found

    def _narrow_some(self, rows: Rows, choices: Choices, margin, slack) -> None:
        """Narrow the enclosures of the worst cells that are due; all is updated."""
        can = ~(margin >= 0) & np.isfinite(margin) & (rows["cuts"] >= _NARROWED_EVERY)
        due = np.array([], int)
        for start in range(0, len(margin), TOGETHER):
            here = start + np.flatnonzero(can[start : start + TOGETHER])
            worst = here[np.argsort(margin[here], kind="stable")][:_NARROWED_AT_ONCE]
            due = np.concatenate([due, worst])
        for k in due.tolist():
            own = jax.tree.map(lambda c, k=k: c[k], choices)
            self._narrow(rows, k, own, -float(margin[k]), slack[k])
        if len(due):
            there = {name: array[due] for name, array in rows.items()}
            own = jax.tree.map(lambda c: c[due], choices)
            better, found = self._again(there, own)
            for j, k in enumerate(due.tolist()):
                if better[j] > margin[k]:
                    margin[k] = better[j]
                    _put(choices, k, jax.tree.map(lambda c, j=j: c[j : j + 1], found))

    def _narrow(self, rows: Rows, k: int, choices: Choices, lacking, slack) -> None:
        """Narrow the enclosures of a cell to where no row is above what its slack and a
        little of what its bound lacks come to.

        Elsewhere some row is above that, so no bound from then on says more (`most`).
        """
        offset = self._offset + slack + lacking * _ABOVE
        above = np.nextafter(offset - self._offset, -np.inf) - slack
        above = np.nextafter(above, -np.inf).min()
        own = {name: array[k] for name, array in rows.items()}
        with jax.enable_x64(True):
            found = self.region.narrowed(
                self.region.shared,
                self._layout.enclosures(own),
                self._layout.by_part(own["phases"]),
                choices,
                self._rows,
                offset,
                lacking,
            )
        values = [found[part.operand] for part in self.region.parts]
        lo, hi = outward(values)
        rows["lo"][k], rows["hi"][k], rows["cuts"][k] = lo, hi, 0
        rows["most"][k] = min(rows["most"][k], above)

    def choices(self, evidence: Rows) -> Choices:
        """The choices behind bounds of proved cells, each with a leading axis."""
        return self._layout.choices(evidence)

    def trimmed(self, rows: Rows, extra: Rows):
        """Nothing: cells are cut by `split` alone."""
        return iter(())

    def split(self, rows: Rows, extra: Rows) -> tuple[np.ndarray, Splits, Rows, Rows]:
        """Across the element that `_splits.rank` put first."""
        can = extra["best"] >= 0
        index = extra["best"][can]
        part = np.searchsorted(self._layout.ends, index, side="right") - 1
        value = np.array([p.operand for p in self.region.parts])[part]
        level = self._levels[index]
        bent, at = np.isnan(level), np.where(np.isnan(level), extra["at"][can], level)
        halves, which = [], np.arange(len(index))
        for phase in (-1, 1):  # lower: x <= c
            half = {n: array[can] for n, array in extra.items() if n not in _OF_CUTS}
            half["phases"] = phases = rows["phases"][can].copy()
            phases[which, index] = cut_again(phases[which, index], phase)
            if bent.any():
                end = "hi" if phase < 0 else "lo"
                half[end] = (rows | extra)[end][can]  # narrowed, if it was
                half[end][which[bent], index[bent]] = at[bent]
            if "cuts" in extra:
                half["cuts"] = extra["cuts"][can] + 1
            halves.append(half)
        return can, Splits(value, index - self._layout.ends[part], at), *halves

    def part(self, path) -> Rows:
        """The cell to which cuts lead: see `Kind`."""
        rows = {name: array.copy() for name, array in self.root().items()}
        numbers = [part.operand for part in self.region.parts]
        for value, index, at, is_upper in path:
            part = numbers.index(value)
            element = self._layout.ends[part] + index
            before = rows["phases"][0, element]
            rows["phases"][0, element] = cut_again(before, 1 if is_upper else -1)
            if self._bends[part]:
                rows["lo" if is_upper else "hi"][0, element] = at
        return rows

    def halved(self, rows: Rows) -> tuple[np.ndarray, Splits, Rows, Rows]:
        """Where `split` would cut cells if they were open."""
        found = Bounded(*self._in_turns(self.region.bounded, rows))
        is_open = np.full(len(rows["phases"]), -np.inf)
        best, at, _ = self._next_cuts(rows, found.choices, is_open)
        return self.split(rows, self._kept(found.choices) | {"best": best, "at": at})

    def halves(self, rows: Rows, cut) -> tuple[Splits, Rows, Rows] | None:
        """One cell cut where a hint says so; None if that does not cut it in two."""
        layers = np.flatnonzero(~np.array(self._bends))
        if not isinstance(cut, PhaseCut) or cut.layer >= len(layers):
            return None
        layer = int(layers[cut.layer])
        start, end = self._layout.ends[layer : layer + 2]
        if cut.element >= end - start or rows["phases"][0, start + cut.element]:
            return None
        index = start + cut.element
        lower, upper = ({n: a.copy() for n, a in rows.items()} for _ in range(2))
        lower["phases"][0, index], upper["phases"][0, index] = -1, 1
        value = np.array([self.region.parts[layer].operand])
        return (
            Splits(value, np.array([cut.element]), self._levels[[index]]),
            lower,
            upper,
        )

    def shares(self, rows: Rows) -> np.ndarray:
        """As if each cut halved a cell: their volumes are not known."""
        return 0.5 ** rows["depth"].astype(float)

    def share(self, rows: Rows) -> Fraction:
        return sum((Fraction(1, 2**n) for n in rows["depth"].tolist()), Fraction(0))

    def _point(self, points, k: int):
        """The k-th of some points, as leaves of the arguments."""
        numbers = self.region.task.graph.inputs
        pairs = zip(numbers, self.region.leaves, strict=True)
        return [
            [
                points[n][k].astype(leaf.dtype) if is_set(leaf) else leaf
                for n, leaf in pairs
            ]
        ]

    def _in_turns(self, program, rows):
        def target(at):
            return [np.broadcast_to(a, (len(at), *a.shape)) for a in given]

        given = self._target, self._offset
        return self._layout.in_turns(program, rows, target)


@dataclass(frozen=True)
class Proofs:
    """The searches that prove the clauses of a formula of this shape, in order, each
    with its kind. lemmas: what proves the ends of their cells, beyond the region's
    enclosures; None if that is not known any more."""

    region: Region
    shape: tuple
    parts: list[tuple[Cells, _branch.Search]]
    lemmas: list[Lemmas] | None


def _ends_of(sets) -> tuple[np.ndarray, np.ndarray] | None:
    """(lo, hi) of boxes end to end; None where a set is another one."""
    if not all(hasattr(one, "lo") for one in sets):
        return None
    lo, hi = (
        np.concatenate([np.ravel(np.asarray(getattr(one, end))) for one in sets])
        for end in ("lo", "hi")
    )
    return lo, hi


_NARROWED = ("lo", "hi", "cuts", "most")  # what narrowing changes
_OF_CUTS = ("best", "at")


def _put(choices: Choices, k: int, better: Choices) -> None:
    """In the place of a cell's choices, those of another bound of it."""
    for old, new in zip(*map(jax.tree.leaves, (choices, better)), strict=True):
        old[k] = new[0]


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
