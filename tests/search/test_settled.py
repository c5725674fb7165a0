"""What is found of inner values before the search proper, against exact pieces.

The oracle cuts the input rectangle into the polygons on which the network is affine: a
value before a switch is extreme at their vertices, and computed there in fractions.
"""

from fractions import Fraction
from types import SimpleNamespace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import torchlean_jax as tl
from tests.search import exact_relu
from tests.search.faults import notices, planted
from torchlean_jax._question import question
from torchlean_jax.search import Branching, _narrower, _settled
from torchlean_jax.search._layout import Layout
from torchlean_jax.search._region import Region

LO, HI = (-1.0, -0.75), (1.25, 1.0)
SIZES = (2, 6, 6, 6, 2)
SHAPES = list(zip(SIZES[:-1], SIZES[1:], strict=True))


def layers_of(seed):
    random = np.random.default_rng(seed)
    return [
        (
            random.normal(size=(m, n)).astype(np.float32),
            (random.normal(size=n) / 2).astype(np.float32),
        )
        for m, n in SHAPES
    ]


def network(layers, x):
    for k, (weights, bias) in enumerate(layers):
        x = jnp.maximum(x, 0.25 * (k == 2)) if k else x  # a level other than 0, too
        x = jnp.dot(x, weights, precision="highest") + bias
    return x


def region_of(layers, method="crown"):
    args = layers, tl.box(jnp.asarray(LO, jnp.float32), jnp.asarray(HI, jnp.float32))
    asked = question(network, args, tl.spec.linear([1.0, 0.0]), "real", None, None)
    return Region(asked.model, asked.args, method)


def pieces_of(layers, depth):
    """The polygons on which all values before `depth` switches are affine."""
    pieces = [exact_relu.rectangle(LO, HI)]
    for k in range(depth):
        for j in range(layers[k][0].shape[1]):
            pieces = [
                half
                for piece in pieces
                for half in exact_relu._cut(
                    piece, [before(layers, k, p)[j] - level(k) for p in piece]
                )
                if half
            ]
    return pieces


def exact_ranges(layers, depth):
    """(least, greatest) of each value before the switch of number `depth`, exactly."""
    points = [p for piece in pieces_of(layers, depth) for p in piece]
    values = list(zip(*(before(layers, depth, p) for p in points), strict=True))
    return [(min(v), max(v)) for v in values]


def level(k):
    return Fraction(1, 4) * (k == 1)


def before(layers, depth, point):
    values = list(point)
    for k in range(depth + 1):
        if k:
            values = [max(v, level(k - 1)) for v in values]
        weights, bias = layers[k]
        values = [
            sum(map(_product, column, values), Fraction(float(b)))
            for column, b in zip(weights.T.tolist(), bias.tolist(), strict=True)
        ]
    return values


def _product(weight, value):
    return Fraction(weight) * value


def settled(region, depth, known=None, **options) -> dict[str, np.ndarray]:
    found = _settled.settled(region, depth, known, **options)
    assert found is not None
    return found


def check_ends(seeds=range(3), depth=4, **options):
    """(how many ends came nearer to the exact ones, how many elements were decided)."""
    nearer = decided = 0
    for seed in seeds:
        layers = layers_of(seed)
        region = region_of(layers)
        first = settled(region, -1)
        found = settled(region, depth, **options)
        layout = _layout(region)
        for k in range(len(region.parts)):
            for j, (low, high) in enumerate(exact_ranges(layers, k)):
                at = layout.ends[k] + j
                lo, hi = (Fraction(float(found[n][0, at])) for n in ("lo", "hi"))
                assert lo <= low and high <= hi
                old = first["lo"][0, at], first["hi"][0, at]
                nearer += (lo > old[0]) + (hi < old[1])
                is_free = old[0] < level(k) < old[1]
                decided += is_free and (lo >= level(k) or hi <= level(k))
    return nearer, decided


def _layout(region):
    with jax.enable_x64(True):
        first = region.first(region.shared, np.zeros((1, region.outputs)))
    return Layout(region, first)


def test_ends_enclose_what_is_reached_and_come_nearer():
    nearer, decided = check_ends()
    assert nearer > 20 and decided > 3, (nearer, decided)


def test_ends_with_lemmas_are_fewer_and_enclose_as_well():
    """Those that gain next to nothing are left out; what decides an element is not."""
    nearer, decided = check_ends(lemmas=[])
    every, as_many = check_ends()
    assert 10 < nearer < every and decided >= as_many > 3


def test_cuts_decide_what_one_bound_leaves_open():
    assert check_ends(depth=4)[1] > check_ends(depth=0)[1]


def test_what_is_known_is_not_lost():
    region = region_of(layers_of(0))
    found = settled(region, 3)
    again = settled(region, 0, found)
    assert (again["lo"] >= found["lo"]).all() and (again["hi"] <= found["hi"]).all()


def test_an_end_may_come_at_any_time():
    """... and what was found until then holds: as without searches, at the least."""
    region = region_of(layers_of(0))
    first, last = settled(region, -1), settled(region, 4)
    gained = []
    for turns in (0, 1, 2, 4, 8):
        left = iter([False] * turns)
        found = settled(region, 4, is_over=lambda left=left: next(left, True))
        assert (first["lo"] <= found["lo"]).all() and (found["lo"] <= last["lo"]).all()
        assert (first["hi"] >= found["hi"]).all() and (found["hi"] >= last["hi"]).all()
        gained.append((found["lo"] > first["lo"]).sum())
    assert gained[0] == 0 < gained[-1]


@pytest.mark.parametrize(
    "sound, faulty",
    [
        ("for phase in (-1, 1)", "for phase in (1, 1)"),
        ("start + element] = side", "start + element] = 1"),
        ("low, -high)", "low - 2, 2 - high)"),
    ],
)
def test_a_fault_is_noticed(sound, faulty):
    with planted(_settled, sound, faulty, keep=("Region", "Layout")):
        assert notices(lambda: check_ends(range(8)))


class Scripted:
    """A region and its layout, of two values: one that is cut, and one whose least
    value is sought on cells whose bounds are written down, by turns."""

    outputs, width, size, bounded, ranked = 1, 3, 2, "bounded", "ranked"
    ends = np.array([0, 1, 2])
    parts = SimpleNamespace(operand=0), SimpleNamespace(operand=1)
    shared = SimpleNamespace(
        levels={n: SimpleNamespace(lo=np.zeros(1), hi=np.zeros(1)) for n in (0, 1)}
    )

    def __init__(self, *turns, stuck=()):
        self.turns, self.stuck = list(turns), list(stuck)

    def root(self, count):
        return {"phases": np.zeros((count, 2), np.int8)}

    def rows_of(self, choices):
        return {}

    def in_turns(self, program, rows, target, watch):
        count = len(rows["of"])
        if program == "ranked":
            gains = np.where(self.stuck.pop(0) if self.stuck else False, -np.inf, 0)
            gains = np.broadcast_to(gains, count)[:, None]
            return SimpleNamespace(gains=gains, indices=np.zeros((count, 1), int))
        lower = np.array(self.turns.pop(0))
        assert len(lower) == count
        return SimpleNamespace(lower=lower[:, None], choices=None)


def check_bookkeeping():
    """The end of an element is the least bound on cells that cover the region."""

    def low(script, depth=5):
        ends = {"lo": np.full((1, 2), -9, np.float32), "hi": np.full((1, 2), 9)}
        searches = _settled._Searches(script, script, 1, ends, lambda: None)
        searches.run(depth)
        return ends["lo"][0, 1]

    # how low first, how high second; the likelier end alone is followed up
    first = [-1.0, -5.0]
    # proved on one half by 0.1, on the parts of the other by 3 and 4
    assert low(Scripted(first, [0.125, -0.5], [3.0, 4.0])) == pytest.approx(0.125)
    # three turns: what was proved in the first still counts
    turns = [0.125, -0.5], [3.0, -0.25], [4.0, 5.0]
    assert low(Scripted(first, *turns)) == pytest.approx(0.125)
    # by more in a later turn than in the one before: no cell is forgotten
    assert low(Scripted(first, [-0.5, -0.25], [1.0, 2.0, 3.0, 0.5])) == pytest.approx(
        0.5
    )
    # a cell that cannot be cut stays as it is
    stuck = Scripted(first, [-0.75, -0.5], [1.0, 1.0], stuck=[[False], [True, False]])
    assert low(stuck) == pytest.approx(-0.75)
    stuck = Scripted(first, [-0.75, -0.5], [1.0, 1.0], stuck=[[False], [False, True]])
    assert low(stuck) == pytest.approx(-0.5)
    # bounds that fall (by rounding) lose nothing
    assert low(Scripted(first, [-2.0, -2.0])) == pytest.approx(-1.0)


def test_no_cell_is_forgotten():
    check_bookkeeping()


@pytest.mark.parametrize(
    "sound, faulty",
    [
        ("least = self.closed.copy()", "least = self.closed + np.inf"),
        ('closed, rest["of"], rest["lower"])', 'closed, rest["of"][:0], [])'),
        ('least, cells["of"][~cut], cells["lower"][~cut])', "least, [], [])"),
        ("cut[which] = can", "cut[which] = True"),
        ('np.minimum.at(least, halves["of"]', 'np.maximum.at(least, halves["of"]'),
    ],
)
def test_a_cell_that_is_forgotten_is_noticed(sound, faulty):
    with planted(_settled, sound, faulty):
        assert notices(check_bookkeeping)


def test_a_hard_clause_is_proved_with_fewer_cells(monkeypatch):
    """The searches by phases use it, for all clauses."""
    layers = layers_of(1)
    args = layers, tl.box(jnp.asarray(LO, jnp.float32), jnp.asarray(HI, jnp.float32))
    rows = np.array([[1.0, -0.5], [-0.25, 1.0]], np.float32)
    least = [float(_least(layers, row)) for row in rows]
    spec = tl.spec.linear(rows, np.asarray(least) - 0.02)
    options: dict[str, Any] = {"attack": False, "certificate": False}
    options["split"] = Branching(cut="phases", batch=8, most_parts=2000)
    parts = []
    for after in ({}, {4: 6}):
        monkeypatch.setattr(_narrower, "_AFTER", after)
        verdict = tl.verify(network, args, spec, **options)
        assert verdict.status == "proved"
        parts.append(verdict.parts)
    assert parts[1] < parts[0], parts


def _least(layers, row):
    """... over the vertices of the pieces: the row is affine on each."""
    pieces = pieces_of(layers, 3)
    pairs = [(before(layers, 3, p), row.tolist()) for piece in pieces for p in piece]
    return min(sum(map(_product, weights, values)) for values, weights in pairs)
