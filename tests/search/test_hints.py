"""Hints are made again and never believed: wrong ones change no answer."""

import json
import math
import random
from fractions import Fraction

import numpy as np
import pytest

import torchlean_check
import torchlean_jax as tl
from tests.search.test_branch import Halving, volume, volumes
from torchlean_jax.search import Branching, Search
from torchlean_jax.search._hints import FORMAT, begin, read_hints

POSITIVE = tl.spec.linear([1.0])
BOX = tl.box([-1.0, -1.0], [1.0, 1.0])


class Guided(Halving):
    def coordinate(self, axis):
        return 0, axis


def leaves_of(tree):
    """The decisions of each leaf of a tree of cuts."""
    found, waiting = [], [()]
    for cut in tree.preorder():
        path = waiting.pop()
        if cut is None:
            found.append(path)
            continue
        _, axis, at = cut
        waiting += [(*path, (axis, at, True)), (*path, (axis, at, False))]
    return found


def written(leaves):
    sides = {True: ">=", False: "<="}
    listed = [[[j, sides[up], at] for j, at, up in leaf] for leaf in leaves]
    return {"format": FORMAT, "leaves": listed}


def begun(leaves):
    search = Search(Guided(), Branching(batch=7))
    begin(search, leaves)
    return search


def whole():
    search = Search(Guided(), Branching(batch=7))
    search.run(lambda: False, lambda points: None)
    return search


def is_complete(search):
    """Open parts are the leaves, and have the volume of the whole."""
    lo, hi = (
        [Fraction(x) for x in end[0].tolist()] for end in Guided().root().values()
    )
    total = math.prod(b - a for a, b in zip(lo, hi, strict=True))
    assert sum(volumes(search.tree, lo, hi)) == total == volume(search.open.rows)
    assert sorted(search.open.rows["node"].tolist()) == sorted(
        np.flatnonzero(search.tree.arrays()["lower"] == 0).tolist()
    )


def test_leaves_of_another_search_are_the_same_tree():
    found = whole()
    search = begun(read_hints(written(leaves_of(found.tree))))
    assert search.parts == 0 and search.given == len(found.tree) // 2
    is_complete(search)
    assert sorted(leaves_of(search.tree)) == sorted(leaves_of(found.tree))
    search.run(lambda: False, lambda points: None)
    # every leaf was bounded again, and no part above them
    assert search.status == "proved" and search.parts == found.tree.leaves


@pytest.mark.parametrize("seed", range(20))
def test_nonsense_loses_nothing(seed):
    """Leaves left out, invented, in disorder, with cuts that do not cut."""
    chance = random.Random(seed)
    leaves = leaves_of(whole().tree)
    chance.shuffle(leaves)
    leaves = leaves[: chance.randrange(len(leaves))]
    for _ in range(chance.randrange(30)):
        at = chance.choice([0.0, 0.4, -7.0, 1e-310, 0.15, math.nextafter(0.1, 1)])
        cut = chance.randrange(5), at, chance.random() < 0.5
        at_leaf = chance.randrange(len(leaves) + 1)
        leaf = leaves[at_leaf] if at_leaf < len(leaves) else ()
        place = chance.randrange(len(leaf) + 1)
        leaves[at_leaf : at_leaf + 1] = [(*leaf[:place], cut, *leaf[place:])]
    search = begun(leaves)
    is_complete(search)
    state = search.state()
    search.run(lambda: False, lambda points: None)
    assert search.status == "proved" and search.proved_share == 1
    again = Search(Guided(), Branching(batch=7))
    again.restore(state)
    assert again.given == search.given


BAD = {
    "[]": "TypeError",
    '{"format": "torchlean hints, version 2", "leaves": []}': "format",
    f'{{"format": "{FORMAT}"}}': "leaves",
    f'{{"format": "{FORMAT}", "leaves": [[[0, "<", 1]]]}}': "no decision",
    f'{{"format": "{FORMAT}", "leaves": [[[-1, "<=", 1]]]}}': "no decision",
    f'{{"format": "{FORMAT}", "leaves": [[[true, "<=", 1]]]}}': "no decision",
    f'{{"format": "{FORMAT}", "leaves": [[[0, "<=", NaN]]]}}': "no decision",
    f'{{"format": "{FORMAT}", "leaves": [[[0, "<=", "1e999"]]]}}': "no decision",
    f'{{"format": "{FORMAT}", "leaves": [[[0, "<="]]]}}': "ValueError",
    "[" * 100_000: "RecursionError",
    '{"format": ': "JSONDecodeError",
}


@pytest.mark.parametrize("text", BAD, ids=range(len(BAD)))
def test_a_bad_file_is_named(text, tmp_path):
    path = tmp_path / "hints.json"
    path.write_text(text)
    with pytest.raises(tl.FileFormatError, match=BAD[text]) as error:
        read_hints(path)
    assert str(path) in str(error.value)


def least(x):
    """At least 0.05, and -1.7 by intervals on the whole box."""
    return x[:1] ** 4 - x[:1] ** 2 + 0.3 + 0.1 * x[1:] ** 2


def test_verdicts_with_hints_are_proofs(tmp_path):
    cuts = [-0.75 + 0.25 * k for k in range(7)]
    listed = [
        [*([0, ">=", c] for c in cuts[:k]), *([0, "<=", c] for c in cuts[k : k + 1])]
        for k in range(8)
    ]
    path = tmp_path / "hints.json"
    path.write_text(json.dumps({"format": FORMAT, "leaves": listed}))
    options = {"method": "ibp", "attack": False, "hints": path}
    found = tl.verify(least, BOX, POSITIVE, **options)
    assert found.status == "proved"
    report = torchlean_check.check(found.certificate.bytes)
    assert report.accepted and report.leaves >= 8
    false = tl.verify(least, BOX, tl.spec.linear([1.0], 0.06), **options, timeout=3)
    assert false.status != "proved"
