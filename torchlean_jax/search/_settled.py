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

from torchlean_jax.interpreters._phases import Switch
from torchlean_jax.search._branch import Search
from torchlean_jax.search._frontier import Rows
from torchlean_jax.search._layout import Layout, rounded
from torchlean_jax.search._region import MOST_FOLLOWED, Region

# After so many parts of a clause, cuts in a row of searches that narrow what is cut:
# each takes two to three times as long as the one before. All were chosen
# on mnist_fc 256x4 and 256x6, which are no blind test of them.
_AFTER = {16: 5, 64: 8, 256: 11, 1024: 14}
_HOPE = 2.0  # times what its last cut gained, an end may gain by each further one


class Narrower:
    """Narrows what is cut for the cells of some searches of a region, deeper as one of
    them proves harder."""

    def __init__(self, region: Region, searches: list[Search]):
        self._region, self._searches, self._ends = region, searches, None
        self._left = list(_AFTER.items()) if searches else []

    def is_due(self, search: Search) -> bool:
        return bool(self._left) and search.parts >= self._left[0][0] and search.goes_on

    def narrow(self, is_over: Callable[[], bool]) -> None:
        _, depth = self._left.pop(0)
        self._ends = settled(self._region, depth, self._ends, is_over)
        if self._ends is None:
            self._left = []
            return
        for search in self._searches:
            for cells in (search.open, search.stuck):
                rows, ends = cells.rows, self._ends  # views
                np.maximum(rows["lo"], ends["lo"], out=rows["lo"])
                np.minimum(rows["hi"], ends["hi"], out=rows["hi"])


def settled(
    region: Region,
    depth: int,
    known: Rows | None = None,
    is_over: Callable[[], bool] = lambda: False,
) -> Rows | None:
    """(lo, hi: float32[1, M], as `Layout.ends_at_first`) after searches of so many cuts
    one after the other; None for regions that have none: those that cut bends, and too
    large ones.

    known: what was found before. is_over: asked before each turn of a few cells; what
    was found until then holds.
    """
    with jax.enable_x64(True):
        first = region.first(region.shared, np.zeros((1, region.outputs)))
    layout = Layout(region, first)
    only_switches = all(isinstance(part, Switch) for part in region.parts)
    if not only_switches or layout.size > MOST_FOLLOWED:
        return None
    ends = known or layout.ends_at_first()
    ends = {name: array.copy() for name, array in ends.items()}

    def watch():
        if is_over():
            raise _Over

    with contextlib.suppress(_Over):
        for part in range(1, len(region.parts)):  # before the first nothing is relaxed
            _Searches(region, layout, part, ends, watch).run(depth)
    return ends


class _Over(Exception):
    """There is no time left."""


@dataclass
class _Searches:
    """Those of the free elements of one part, both ends of each, side by side.

    A row of `cells` has the place `of` its search among them.
    """

    region: Region
    layout: Layout
    part: int
    ends: Rows  # changed
    watch: Callable[[], None]

    def __post_init__(self):
        number = self.region.parts[self.part].operand
        level = self.region.shared.levels[number]
        # below the one an element is inactive, above the other it is active
        self.levels = np.ravel(level.lo), np.ravel(level.hi)
        free = np.flatnonzero(~self._decided())
        self.elements = np.concatenate([free, free])
        self.sides = np.repeat([1, -1], len(free))  # 1: how low, -1: how high

    def _decided(self):
        a, b = self.layout.ends[self.part : self.part + 2]
        lo, hi = self.ends["lo"][0, a:b], self.ends["hi"][0, a:b]
        return (lo >= self.levels[1]) | (hi <= self.levels[0])

    def run(self, depth: int) -> None:
        count = len(self.elements)
        if not count:
            return
        cells = self.layout.root(count) | {"of": np.arange(count)}
        best, closed = np.full(count, -np.inf), np.full(count, np.inf)
        for turns in range(depth, -1, -1):
            found = self._run(self.region.bounded, cells)
            lower = np.where(np.isnan(found.lower[:, 0]), -np.inf, found.lower[:, 0])
            cells |= self.layout.rows_of(found.choices)
            least = closed.copy()
            np.minimum.at(least, cells["of"], lower)
            # a search whose cells are gone has ended, with what it had
            runs = np.isin(np.arange(count), cells["of"]) & (least < np.inf)
            before, best = best, np.where(runs, np.maximum(best, least), best)
            self._put(best)
            going = self._worth_going_on(best, before, turns)
            proved = lower > 0
            np.minimum.at(closed, cells["of"][proved], lower[proved])
            left = going[cells["of"]] & ~proved
            if not left.any():
                break
            cells = self._halves({n: a[left] for n, a in cells.items()})
            if not len(cells["of"]):
                break

    def _worth_going_on(self, best, before, turns):
        """Searches whose elements are free, and that may prove it in so many turns."""
        if np.isinf(before).all():  # of both ends of an element, the likelier one
            likely = best >= np.roll(best, len(best) // 2)
        else:
            with np.errstate(invalid="ignore"):  # infinite bounds: no hope
                likely = best + _HOPE * turns * (best - before) > 0
        return likely & (turns > 0) & ~self._decided()[self.elements]

    def _put(self, best):
        """Ends of elements from the bounds of their searches."""
        a, b = self.layout.ends[self.part : self.part + 2]
        lo, hi = self.ends["lo"][0, a:b], self.ends["hi"][0, a:b]  # views
        low, high = self.levels
        up = self.sides > 0
        at, down = self.elements[up], self.elements[~up]
        lower = np.nextafter(low[at] + best[up], -np.inf)
        upper = np.nextafter(high[down] - best[~up], np.inf)
        lo[at] = np.maximum(lo[at], rounded(lower, -np.inf))
        hi[down] = np.minimum(hi[down], rounded(upper, np.inf))

    def _halves(self, cells: Rows) -> Rows:
        """All cells of searches each of which can be cut, in two."""
        ranking = self._run(self.region.ranked, cells)
        can = ranking.gains[:, 0] > -np.inf
        stuck = np.isin(cells["of"], cells["of"][~can])
        whole = {n: a[~stuck] for n, a in cells.items()}
        index, halves = ranking.indices[~stuck, 0], []
        for phase in (-1, 1):
            half = whole | {"phases": whole["phases"].copy()}
            half["phases"][np.arange(len(index)), index] = phase
            halves.append(half)
        return {n: np.concatenate([half[n] for half in halves]) for n in whole}

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
