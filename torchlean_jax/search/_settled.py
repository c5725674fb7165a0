"""Enclosures of what is cut, narrowed by small searches of their own, layer by layer.

Many elements of deep networks are free only because relaxations before them are loose:
a handful of cuts further up prove on which side of their level they are. What is found
holds on the whole region, so all cells gain by it, and each layer is bounded with what
was found of those before it.

An end of an element is the least bound on the cells of its search. Any cells that cover
the region will do, so a search may end at any time, and which elements are tried is a
matter of speed alone.

Source: bounds of neurons made exact before the search proper, Tjeng et al. 2019
(arXiv:1711.07356, section 4.3), there by mixed-integer programs.
"""

import contextlib
from collections.abc import Callable
from dataclasses import dataclass

import jax
import numpy as np

from torchlean_jax.search._frontier import Rows
from torchlean_jax.search._layout import Layout, rounded
from torchlean_jax.search._lemmas import Leaves, Lemmas
from torchlean_jax.search._region import Region
from torchlean_jax.search._tree import Splits, Tree

_HOPE = 2.0  # times what its last cut gained, an end may gain by each further one
# Of its enclosure, an end that decides nothing gains at least as much, or the checker
# would derive it for little
_LEAST_GAIN = 1 / 64


def settled(
    region: Region,
    depth: int,
    known: Rows | None = None,
    is_over: Callable[[], bool] = lambda: False,
    lemmas: list[Lemmas] | None = None,
) -> Rows | None:
    """(lo, hi: float32[1, M], as `Layout.ends_at_first`) after searches of so many cuts
    one after the other; None for regions that have none: those that cut bends, and too
    large ones.

    known: what was found before. is_over: asked before each turn of a few cells; what
    was found until then holds. lemmas: gets what proves the ends, in the order in which
    they rest on each other; those that gain next to nothing are left out then.
    """
    if not region.can_settle:
        return None
    with jax.enable_x64(True):
        first = region.first(region.shared, np.zeros((1, region.outputs)))
    layout = Layout(region, first)
    ends = known or layout.ends_at_first()
    ends = {name: array.copy() for name, array in ends.items()}

    def watch():
        if is_over():
            raise _Over

    with contextlib.suppress(_Over):
        for part in range(1, len(region.parts)):  # before the first nothing is relaxed
            _Searches(region, layout, part, ends, watch, lemmas).run(depth)
    return ends


class _Over(Exception):
    """There is no time left."""


@dataclass
class _Searches:
    """Those of the free elements of one part, both ends of each, side by side.

    A row of `cells` has the place `of` its search among them, a bound of it and its
    number in the tree of that search; those not cut any more are not among them.
    """

    region: Region
    layout: Layout
    part: int
    ends: Rows  # changed
    watch: Callable[[], None]
    lemmas: list[Lemmas] | None = None

    def __post_init__(self):
        levels = [self.region.shared.levels[p.operand] for p in self.region.parts]
        # below the one an element is inactive, above the other it is active; of all
        # that is cut, and of this part
        self.all_levels = [
            np.concatenate([np.ravel(getattr(level, end)) for level in levels])
            for end in ("lo", "hi")
        ]
        a, b = self.layout.ends[self.part : self.part + 2]
        self.levels = [level[a:b] for level in self.all_levels]
        free = np.flatnonzero(~self._decided())
        self.elements = np.concatenate([free, free])
        self.sides = np.repeat([1, -1], len(free))  # 1: how low, -1: how high
        count = len(self.elements)
        self.best, self.closed = np.full(count, -np.inf), np.full(count, np.inf)
        self.trees = Tree(max(count, 1))

    def _own(self):
        """Views of the ends of this part."""
        a, b = self.layout.ends[self.part : self.part + 2]
        return self.ends["lo"][0, a:b], self.ends["hi"][0, a:b]

    def _decided(self):
        lo, hi = self._own()
        return (lo >= self.levels[1]) | (hi <= self.levels[0])

    def run(self, depth: int) -> None:
        if not len(self.elements) or depth < 0:
            return
        if self.lemmas is None:
            self._search(depth, lambda cells: None)
            return
        start = [end.copy() for end in self._own()]
        free = self._free_before()
        leaves = Leaves(self.layout, free, self.trees)
        try:
            self._search(depth, leaves.add)
        finally:
            self.lemmas += self._kept(start, free, leaves)

    def _search(self, depth: int, leave: Callable[[Rows], None]) -> None:
        """leave: gets cells that are cut no further."""
        number = np.arange(len(self.elements))
        cells = self._bounded(self.layout.root(len(number)), number)
        cells["node"] = number
        before, self.best = self.best, cells["lower"].copy()
        self._put()
        try:
            for turns in range(depth, 0, -1):
                going = self._worth_going_on(before, turns)
                halves = self._halves(cells, going[cells["of"]] & ~(cells["lower"] > 0))
                if halves is None:
                    break
                before = self.best.copy()
                cells = self._with_halves(cells, *halves, leave)
                self._put()
        finally:
            leave(cells)

    def _with_halves(self, cells: Rows, cut, index, halves: Rows, leave) -> Rows:
        """Cells in place of those of searches that gained by it; the other searches end
        with what they had.

        cut: which cells were to be, across which elements; halves: lower ones first.
        """
        least = self.closed.copy()
        np.minimum.at(least, cells["of"][~cut], cells["lower"][~cut])
        np.minimum.at(least, halves["of"], halves["lower"])
        gained = np.isin(np.arange(len(least)), halves["of"]) & (least > self.best)
        self.best = np.where(gained, least, self.best)
        stays = ~(cut & gained[cells["of"]])
        rest = {n: a[stays] for n, a in cells.items()}
        np.minimum.at(self.closed, rest["of"], rest["lower"])
        leave(rest)
        taken = gained[halves["of"]]
        index = index[taken[: len(index)]]
        part = np.searchsorted(self.layout.ends, index, side="right") - 1
        value = np.array([p.operand for p in self.region.parts])[part]
        at = self.all_levels[0][index]
        splits = Splits(value, index - self.layout.ends[part], at)
        nodes = self.trees.split(cells["node"][~stays], splits)
        halves = {n: a[taken] for n, a in halves.items()}
        return halves | {"node": np.concatenate([nodes, nodes + 1])}

    def _worth_going_on(self, before, turns):
        """Searches whose elements are free, and that may prove it in so many turns."""
        best = self.best
        if np.isinf(before).all():  # of both ends of an element, the likelier one
            likely = best >= np.roll(best, len(best) // 2)
        else:
            with np.errstate(invalid="ignore"):  # infinite bounds: no hope
                likely = best + _HOPE * turns * (best - before) > 0
        return likely & ~self._decided()[self.elements]

    def _put(self):
        """Ends of elements from the bounds of their searches."""
        lo, hi = self._own()
        low, high = self.levels
        up = self.sides > 0
        at, down = self.elements[up], self.elements[~up]
        lower = np.nextafter(low[at] + self.best[up], -np.inf)
        upper = np.nextafter(high[down] - self.best[~up], np.inf)
        lo[at] = np.maximum(lo[at], rounded(lower, -np.inf))
        hi[down] = np.minimum(hi[down], rounded(upper, np.inf))

    def _free_before(self):
        """What is free of the parts before this one, all that is cut end to end."""
        low, high = self.all_levels
        is_free = (self.ends["lo"][0] < high) & (self.ends["hi"][0] > low)
        return np.flatnonzero(is_free[: self.layout.ends[self.part]])

    def _kept(self, start, free, leaves: Leaves) -> list[Lemmas]:
        """Keep ends that are worth a lemma; the others are what they were at the start.
        Returns what proves them."""
        ends, up, of = self._own(), self.sides > 0, self.elements
        at, old = (np.where(up, lo[of], hi[of]) for lo, hi in (ends, start))
        gain, width = (at - old) * self.sides, (start[1] - start[0])[of]
        low, high = (level[of] for level in self.levels)
        decides = np.where(up, at >= high, at <= low)
        useful = ~self._decided()[of] & (gain >= _LEAST_GAIN * width)
        (kept,) = np.nonzero((gain > 0) & (decides | useful))
        for side, end, old_end in zip((1, -1), ends, start, strict=True):
            own = kept[self.sides[kept] == side]
            end[:] = old_end
            end[of[own]] = at[own]
        if not len(kept):
            return []
        chosen = of[kept], self.sides[kept], at[kept], kept, free, self.trees
        return [Lemmas(self.part, *chosen, **leaves.of(kept))]

    def _halves(self, cells: Rows, which):
        """(which cells are cut, across which elements, their lower halves and then
        their upper ones); None if there are none."""
        if not which.any():
            return None
        some = {n: a[which] for n, a in cells.items()}
        ranking = self._run(self.region.ranked, some)
        can = ranking.gains[:, 0] > -np.inf
        if not can.any():
            return None
        whole = {n: a[can] for n, a in some.items()}
        index, halves = ranking.indices[can, 0], []
        for phase in (-1, 1):
            half = whole | {"phases": whole["phases"].copy()}
            half["phases"][np.arange(len(index)), index] = phase
            halves.append(half)
        both = {n: np.concatenate([half[n] for half in halves]) for n in whole}
        cut = which.copy()
        cut[which] = can
        return cut, index, self._bounded(both, both["of"])

    def _bounded(self, cells: Rows, of) -> Rows:
        cells = cells | {"of": of}
        found = self._run(self.region.bounded, cells)
        lower = np.where(np.isnan(found.lower[:, 0]), -np.inf, found.lower[:, 0])
        return cells | self.layout.rows_of(found.choices) | {"lower": lower}

    def _run(self, program, cells: Rows):
        count = len(cells["of"])
        ends = {n: np.repeat(e, count, 0) for n, e in self.ends.items()}
        target = self._target(cells["of"])
        return self.layout.in_turns(program, cells | ends, target, self.watch)

    def _target(self, of):
        start = self.region.outputs + self.layout.ends[self.part]

        def target(at):
            element, side = self.elements[of[at]], self.sides[of[at]]
            rows = np.zeros((len(at), 1, self.region.width))
            rows[np.arange(len(at)), 0, start + element] = side
            low, high = (level[element] for level in self.levels)
            return rows, np.where(side > 0, low, -high)[:, None]

        return target
