"""No part is lost: neither by the queue, nor by the tree, nor by a cut.

The oracles are a sorted Python list and exact volumes in fractions.
"""

import math
from fractions import Fraction

import numpy as np
import pytest

from torchlean_jax.search._boxes import Boxes
from torchlean_jax.search._branch import Bounded, Branching, Search, Trim
from torchlean_jax.search._frontier import Frontier
from torchlean_jax.search._tree import Splits, Tree

ROOMY = 2**20


def rows(nodes, bounds):
    return {"node": np.asarray(nodes, np.int64), "bound": np.asarray(bounds, float)}


@pytest.mark.parametrize("seed", range(5))
def test_the_least_bounds_come_first_and_none_is_lost(seed):
    random = np.random.default_rng(seed)
    frontier, known = Frontier(rows([], []), ROOMY), []
    for turn in range(50):
        bounds = random.integers(-20, 5, random.integers(0, 9)).astype(float)
        nodes = 100 * turn + np.arange(len(bounds))
        frontier.push(rows(nodes, bounds))
        known = sorted([*known, *zip(bounds.tolist(), nodes.tolist(), strict=True)])
        assert len(frontier) == len(known)
        assert frontier.least() == (known[0][0] if known else np.inf)
        if known:
            found = frontier.pop(int(random.integers(1, 9)))
            taken = list(
                zip(found["bound"].tolist(), found["node"].tolist(), strict=True)
            )
            assert [b for b, _ in taken] == [b for b, _ in known[: len(taken)]]
            assert set(taken) <= set(known)
            known = sorted(set(known) - set(taken))


def test_a_full_frontier_goes_deep():
    frontier = Frontier(rows([], []), memory=16 * 4)
    frontier.push(rows([1, 2, 3], [-3, -2, -1]))
    assert frontier.pop(1)["node"].tolist() == [1]
    frontier.push(rows([4, 5], [-1, -1]))
    assert frontier.pop(2)["node"].tolist() == [4, 5]
    assert frontier.pop(2)["node"].tolist() == [2, 3]


def volumes(tree, lo, hi):
    """The exact volumes of the leaves of a tree of cuts of a box."""
    found, waiting = [], [(lo, hi)]
    for cut in tree.preorder():
        lo, hi = waiting.pop()
        if cut is None:
            sides = [b - a for a, b in zip(lo, hi, strict=True)]
            assert all(side >= 0 for side in sides)
            found.append(math.prod(sides))
            continue
        _, k, at = cut
        below, above = list(hi), list(lo)
        below[k] = above[k] = Fraction(at)
        waiting += [(above, hi), (lo, below)]
    assert not waiting
    return found


def volume(rows):
    """The exact sum of the volumes of boxes."""
    pairs = zip(rows["lo"].tolist(), rows["hi"].tolist(), strict=True)
    return sum(
        math.prod(Fraction(b) - Fraction(a) for a, b in zip(lo, hi, strict=True))
        for lo, hi in pairs
    )


class Halving:
    """A kind without bounds: every part shorter than 1/5 is proved."""

    def __init__(self, seed=0, lose=False):
        self.random, self.lose = np.random.default_rng(seed), lose
        self.proved = Fraction(0)
        self.lo, self.hi = np.array([[0.1, -0.3, 0.0]]), np.array([[0.7, 1.1, 0.3]])

    def root(self):
        return {"lo": self.lo, "hi": self.hi}

    def bound(self, rows):
        width = (rows["hi"] - rows["lo"]).max(1)
        margin = np.where(width < 0.2, width, -width)
        self.proved += volume({n: rows[n][margin > 0] for n in ("lo", "hi")})
        return Bounded(margin, [], {"slopes": self.random.random(rows["lo"].shape)})

    def _like_boxes(self):
        boxes = object.__new__(Boxes)
        boxes._lo, boxes._hi = self.lo[0], self.hi[0]
        boxes._value, boxes._index = np.zeros(3, int), np.arange(3)
        return boxes

    def trimmed(self, rows, extra):
        return iter(())

    def split(self, rows, extra):
        can, cuts, lower, upper = self._like_boxes().split(rows, extra)
        if self.lose and len(cuts.at):
            upper["lo"][0, cuts.index[0]] = np.nextafter(cuts.at[0], np.inf)
        return can, cuts, lower, upper

    def share(self, rows):
        return self._like_boxes().share(rows)

    def shares(self, rows):
        return self._like_boxes().shares(rows)


def parts_cover_the_whole(kind, stop_after):
    """At any time, parts proved and parts open have the volume of the whole."""
    search = Search(kind, Branching(batch=7, most_parts=stop_after))
    search.run(lambda: False, lambda points: None)
    lo, hi = ([Fraction(x) for x in end[0].tolist()] for end in (kind.lo, kind.hi))
    whole = math.prod(b - a for a, b in zip(lo, hi, strict=True))
    leaves = volumes(search.tree, lo, hi)
    assert sum(leaves) == whole
    open_parts = volume(search.open.rows)
    assert kind.proved + open_parts == whole
    assert search.proved_share == 1 - open_parts / whole
    assert abs(search.proved_share_about - float(search.proved_share)) < 1e-9
    assert len(leaves) == search.tree.leaves
    proved = len(leaves) - len(search.open)
    assert search.parts == proved + (len(search.tree) - 1) // 2


@pytest.mark.parametrize("stop_after", [1, 40, 300, None])
def test_parts_cover_the_whole(stop_after):
    parts_cover_the_whole(Halving(), stop_after)


def test_a_lost_sliver_would_be_noticed():
    with pytest.raises(AssertionError):
        parts_cover_the_whole(Halving(lose=True), 40)


class Trimming(Halving):
    """Besides, a third of some parts is proved at one of their ends."""

    def __init__(self, swap=False):
        super().__init__()
        self.swap, self.margins = swap, []

    def trimmed(self, rows, extra):
        for axis, open_side in ((0, 0), (2, 1)):
            which = np.flatnonzero(self.random.random(len(rows["lo"])) < 0.5)
            off = {end: rows[end][which] for end in ("lo", "hi")}
            third = (off["hi"] - off["lo"])[:, axis] / 3
            end, other = ("lo", "hi") if open_side else ("hi", "lo")
            at = off[end][:, axis] + (third if open_side else -third)
            off[other][:, axis] = at
            rows[end][which, axis] = at
            self.proved += volume(off)
            if len(which):
                self.margins.append(0.01 / (1 + len(self.margins)))
            cuts = Splits(np.zeros(len(at), int), np.full(len(at), axis), at)
            margin = np.full(len(at), min(self.margins, default=np.inf))
            yield Trim(which, cuts, open_side ^ self.swap, margin)


def trims_are_parts_of_the_tree(kind, stop_after):
    """Each open part is the box of its node, and what is cut off counts as proved."""
    search = Search(kind, Branching(batch=7, most_parts=stop_after))
    search.run(lambda: False, lambda points: None)
    lo, hi = kind.lo[0], kind.hi[0]
    left = volume(search.open.rows)
    whole = volume({"lo": kind.lo, "hi": kind.hi})
    ends = ([Fraction(x) for x in end.tolist()] for end in (lo, hi))
    assert sum(volumes(search.tree, *ends)) == whole
    assert kind.proved + left == whole and search.proved_share == 1 - left / whole
    boxes = boxes_of(search.tree, lo, hi)
    parts = (search.open.rows[name] for name in ("node", "lo", "hi"))
    for node, *ends in zip(*parts, strict=True):
        assert np.array_equal(boxes[node], ends)
    assert search.bound <= min(kind.margins, default=np.inf)


def boxes_of(tree, lo, hi):
    """The box of each node, by its number."""
    found, waiting = {}, [(0, lo, hi)]
    lower, _, index, at = tree.arrays().values()
    while waiting:
        node, lo, hi = waiting.pop()
        found[node] = lo, hi
        if lower[node]:
            below, above = hi.copy(), lo.copy()
            below[index[node]] = above[index[node]] = at[node]
            waiting.append((lower[node], lo, below))
            waiting.append((lower[node] + 1, above, hi))
    return found


@pytest.mark.parametrize("stop_after", [1, 40, 120])
def test_trims_are_parts_of_the_tree(stop_after):
    trims_are_parts_of_the_tree(Trimming(), stop_after)


def test_a_trim_of_the_wrong_side_would_be_noticed():
    with pytest.raises(AssertionError):
        trims_are_parts_of_the_tree(Trimming(swap=True), 40)


def test_a_search_goes_on_where_it_stopped():
    """The same parts, whatever the interruptions."""
    whole = Search(Halving(), Branching(batch=7))
    whole.run(lambda: False, lambda points: None)
    assert whole.status == "proved" and whole.bound > 0
    broken, turns = Search(Halving(), Branching(batch=7)), iter(range(10**6))
    while broken.status == "unknown":
        broken.run(lambda: next(turns) % 3 == 2, lambda points: None)
    assert list(broken.tree.preorder()) == list(whole.tree.preorder())


def test_what_cannot_be_cut_stays_unknown():
    """Two neighbouring floats, and a box around zero of subnormal width."""
    kind = Halving()
    kind.lo = np.array([[1.0, -(2.0**-1022), 0.0]])
    kind.hi = np.array([[np.nextafter(1.0, 2.0), 2.0**-1022, 0.0]])
    kind.bound = lambda rows: Bounded(
        np.full(len(rows["lo"]), -1.0), [], {"slopes": np.ones(rows["lo"].shape)}
    )
    search = Search(kind, Branching())
    search.run(lambda: False, lambda points: None)
    assert search.status == "unknown"
    assert len(search.stuck) == 2 and len(search.open) == 0
    assert search.proved_share == 0
    ends = (
        search.stuck.rows["lo"][:, 1].tolist(),
        search.stuck.rows["hi"][:, 1].tolist(),
    )
    assert sorted(zip(*ends, strict=True)) == [(-(2.0**-1022), 0.0), (0.0, 2.0**-1022)]


def test_a_node_is_split_once():
    tree = Tree()
    cut = Splits(np.zeros(1, int), np.zeros(1, int), np.zeros(1))
    tree.split(np.zeros(1, int), cut)
    with pytest.raises(ValueError, match="once"):
        tree.split(np.zeros(1, int), cut)
