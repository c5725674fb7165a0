"""Hints are made again and never believed: wrong ones change no answer."""

import functools
import json
import math
import random
from fractions import Fraction

import jax.numpy as jnp
import numpy as np
import pytest

import torchlean_check
import torchlean_jax as tl
from tests.search.faults import planted
from tests.search.test_branch import Halving, volume, volumes
from tests.search.test_cells import (
    HI,
    LO,
    PHASES,
    decided,
    layers_of,
    least_of,
    network,
)
from torchlean_jax import _bounds, _verify
from torchlean_jax._problem import is_set
from torchlean_jax._snapshot import snapshot
from torchlean_jax.domains._errors import InputError
from torchlean_jax.search import Branching, Search, _hints
from torchlean_jax.search._hints import FORMAT, InputCut, begin, read_hints
from torchlean_jax.search._tree import Splits

POSITIVE = tl.spec.linear([1.0])
BOX = tl.box([-1.0, -1.0], [1.0, 1.0])


class Guided(Halving):
    def halves(self, rows, cut):
        axis, at = cut
        known = axis < rows["lo"].shape[1]
        inside = known and rows["lo"][0, axis] < at < rows["hi"][0, axis]
        if not isinstance(cut, InputCut) or not inside:
            return None
        lower, upper = ({n: a.copy() for n, a in rows.items()} for _ in range(2))
        lower["hi"][0, axis] = upper["lo"][0, axis] = at
        splits = Splits(np.array([0]), np.array([axis]), np.array([at]))
        return splits, lower, upper


def leaves_of(tree):
    """The decisions of each leaf of a tree of cuts."""
    found, waiting = [], [()]
    for cut in tree.preorder():
        path = waiting.pop()
        if cut is None:
            found.append(path)
            continue
        _, axis, at = cut
        cut = InputCut(axis, at)
        waiting += [(*path, (cut, True)), (*path, (cut, False))]
    return found


def written(leaves):
    sides = {True: ">=", False: "<="}
    listed = [[[cut.axis, sides[up], cut.at] for cut, up in leaf] for leaf in leaves]
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
    search = begun(read_hints(written(leaves_of(found.tree))).leaves)
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
        cut = InputCut(chance.randrange(5), at), chance.random() < 0.5
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
    f'{{"format": "{FORMAT}"}}': "slopes",
    f'{{"format": "{FORMAT}", "leaves": [[[0, 1.5, "<="]]]}}': "no decision",
    f'{{"format": "{FORMAT}", "leaves": [[[0, -1, "<="]]]}}': "no decision",
    f'{{"format": "{FORMAT}", "leaves": [[["<=", 0, "<="]]]}}': "no decision",
    f'{{"format": "{FORMAT}", "slopes": [[0.5, 1.5]]}}': "from 0 to 1",
    f'{{"format": "{FORMAT}", "slopes": [[NaN]]}}': "from 0 to 1",
    f'{{"format": "{FORMAT}", "slopes": [[true]]}}': "list of numbers",
    f'{{"format": "{FORMAT}", "slopes": [[[0.5]]]}}': "list of numbers",
    f'{{"format": "{FORMAT}", "slopes": [0.5]}}': "TypeError",
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


ROW = np.asarray([1.0, -0.5], np.float32)
HIDDEN = 5, 4  # neurons of the layers of `layers_of`


def rounded(seed):
    return [(w, np.float32(b)) for w, b in layers_of(seed)]


def listed_phases(cells):
    return {"format": FORMAT, "leaves": cells}


def all_phases(neurons):
    """The leaves of the whole tree over these neurons."""
    return [
        [[*n, ">=" if (k >> i) & 1 else "<="] for i, n in enumerate(neurons)]
        for k in range(2 ** len(neurons))
    ]


@pytest.mark.parametrize("seed", range(3))
def test_phases_of_another_search_are_cut_again(seed):
    layers, neurons = rounded(seed), [(0, 3), (1, 0), (0, 1)]
    least = least_of(layers, ROW)
    hints = listed_phases(all_phases(neurons))
    ask = {"hints": hints, "certificate": True}
    found = decided(layers, tl.spec.linear(ROW, least - 0.1), **ask)
    assert found.status == "proved" and found.parts >= 8
    report = torchlean_check.check(found.certificate.bytes)
    assert report.accepted and report.leaves >= 8
    above = decided(layers, tl.spec.linear(ROW, least + 1e-3), **ask)
    assert above.status == "unknown"


@pytest.mark.parametrize("seed", range(4))
def test_nonsense_about_phases_and_slopes_changes_no_answer(seed):
    chance = random.Random(seed)
    layers = rounded(seed)
    least = least_of(layers, ROW)
    leaves = all_phases([(0, 2), (1, 1)])
    leaves = leaves[: chance.randrange(1, 4)] + [
        [
            [chance.randrange(4), chance.randrange(7), chance.choice(["<=", ">="])]
            for _ in range(chance.randrange(4))
        ]
        for _ in range(5)
    ]
    leaves.append([[0, "<=", 0.25]])  # about an input, of which none is cut here
    leaves.append([[0, 2**70, "<="], [2**70, 0, ">="]])
    chance.shuffle(leaves)
    slopes = [[float(chance.random() < 0.5) for _ in range(n)] for n in HIDDEN]
    hints = listed_phases(leaves) | {"slopes": slopes}
    below = decided(layers, tl.spec.linear(ROW, least - 0.1), hints=hints)
    assert below.status == "proved"
    above = decided(layers, tl.spec.linear(ROW, least + 1e-3), hints=hints)
    assert above.status == "unknown"


BOX_OF_LAYERS = tl.box(np.asarray(LO, np.float32), np.asarray(HI, np.float32))


def bound_with(layers, slopes) -> float:
    how, args = _bounds.how("alpha-crown", iterations=1), (layers, BOX_OF_LAYERS)
    task = snapshot(network, args, is_set), args, ROW[None], np.zeros(1), how
    return float(_bounds.row_bounds_and_slopes(*task, slopes)[0][0])


def test_bounds_begin_with_slopes_that_are_given():
    layers, chance = rounded(0), np.random.default_rng(0)
    least, own = least_of(layers, ROW), bound_with(layers, ())
    found = [
        bound_with(layers, [chance.integers(0, 2, n).astype(float) for n in HIDDEN])
        for _ in range(16)
    ]
    assert max(*found, own) <= least
    assert max(found) > own


def bent(x):
    """-1 at x = 1, and not less on [-1, 1]. The line 2.5 x is not below max(x, 0);
    with it the least would be -1/2."""
    return jnp.maximum(x, 0) - 2 * x


def above_three_quarters(slope):
    hints = {"format": FORMAT, "slopes": [[slope]]}
    options = {"method": "alpha-crown", "attack": False, "hints": hints}
    box, goal = tl.box([-1.0], [1.0]), tl.spec.linear([1.0], -0.75)
    return tl.verify(bent, box, goal, **options)


def test_a_line_that_is_not_below_is_refused(monkeypatch):
    with pytest.raises(tl.FileFormatError, match="from 0 to 1"):
        above_three_quarters(2.5)
    assert above_three_quarters(1.0).status == "unknown"
    check = "((slopes >= 0) & (slopes <= 1)).all()"
    with planted(_hints, check, "slopes.size", keep=["Hints"]):
        monkeypatch.setattr(_verify, "read_hints", _hints.read_hints)
        assert above_three_quarters(2.5).status == "proved"


def test_slopes_of_another_model_are_refused_with_the_sizes():
    hints = {"format": FORMAT, "slopes": [[0.5] * 5]}
    args = rounded(0), BOX_OF_LAYERS
    ask = functools.partial(tl.verify, network, args, tl.spec.linear(ROW), hints=hints)
    with pytest.raises(InputError, match=r"\[5\] elements; the model's have \[5, 4\]"):
        ask(method="alpha-crown")
    with pytest.raises(InputError, match=r"\[5, 4\]"):
        ask(split=PHASES, attack=False)
    for options in ({}, {"split": True, "method": "alpha-crown"}):
        with pytest.raises(InputError, match="slopes of hints are for"):
            ask(**options)
