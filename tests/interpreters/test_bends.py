"""Bounds on cells that cut operands of smooth functions, products and maxima.

The oracle is NumPy at the points of a fine grid that are in the cell: no bound may be
above any of them. In double precision the networks here are off by far less than
`ROUNDING`: some hundred operations on numbers below 2**5.
"""

from fractions import Fraction

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tests.search import faults
from torchlean_jax.domains.interval import Interval
from torchlean_jax.interpreters import _cells, _phases, _splits
from torchlean_jax.interpreters._crown import crown, enclose
from torchlean_jax.interpreters._graph import flatten
from torchlean_jax.interpreters._patterns import recognise

MEMORY = 2**28
LO, HI = np.array((-1.0, -0.75)), np.array((1.25, 1.0))
ROUNDING = 1e-12
GRID = np.stack(
    [g.ravel() for g in np.meshgrid(*map(lambda a, b: np.linspace(a, b, 241), LO, HI))],
    axis=1,
)


def network(weights, x, np=jnp):
    """tanh, then a product and a maximum of two values each."""
    first, second = weights
    a = np.tanh(x @ first)
    b = a @ second
    return np.stack([b[..., 0] * b[..., 1], np.maximum(b[..., 2], b[..., 3])], axis=-1)


class Net:
    def __init__(self):
        shapes = jnp.zeros((2, 4)), jnp.zeros((4, 4))
        jaxpr = jax.make_jaxpr(network)(shapes, jnp.zeros(2))
        self.graph = recognise(flatten(jaxpr.jaxpr, jaxpr.consts))
        *self.weights, x = self.graph.inputs
        sets = {x: Interval(jnp.asarray(LO), jnp.asarray(HI))}
        self.parts = _phases.places_to_cut(self.graph, sets)

        def whole(weights):
            given = dict(zip(self.weights, weights, strict=True))
            base = enclose(self.graph, given, sets, memory=MEMORY, refine=crown)
            return _phases.whole(base, self.parts), _cells.first_choices(
                self.graph, _phases.whole(base, self.parts), MEMORY, 2
            )

        def bound(shared, target, choices):
            cell, empty = _phases.on_cell(self.graph, shared, target.phases, MEMORY)
            return _cells.lower_with(cell, shared, cell.values, target, choices), empty

        def rank(shared, target, choices):
            return _splits.rank(
                self.graph, self.parts, shared, target, choices,
                memory=MEMORY, candidates=4,
            )  # fmt: skip

        self.whole, self.bound = jax.jit(whole), jax.jit(bound)
        self.rank = jax.jit(rank)

    def values_cut(self, weights, x):
        """What is cut, at points, by operand: x @ first, and columns of a @ second."""
        first, second = weights
        b = np.tanh(x @ first) @ second
        columns = [x @ first, b[:, 0], b[:, 1], b[:, 2], b[:, 3]]
        shapes = [self.graph.avals[p.operand].shape for p in self.parts]
        assert [*map(len, shapes)].count(1) == 1 and len(shapes) == 5
        return {
            part.operand: column
            for part, column in zip(self.parts, columns, strict=True)
        }


@pytest.fixture(autouse=True)
def _wide():
    with jax.enable_x64(True):
        yield


@pytest.fixture(scope="module")
def net():
    with jax.enable_x64(True):
        return Net()


def weights_of(random):
    return random.normal(size=(2, 4)) * 1.5, random.normal(size=(4, 4))


def random_cell(random, shared):
    """(Whole with the intervals of the cell, phases): some elements have ends cut."""
    phases, enclosures = {}, {}
    for n, value in shared.enclosures.items():
        shape = value.shape
        phase = random.choice(
            [0, 1, -1, 2, -2], p=[0.6, 0.15, 0.15, 0.05, 0.05], size=shape
        )
        low, high = np.sort(random.uniform(0, 1, size=(2, *shape)), axis=0)
        width = value.hi - value.lo
        lo = np.where(
            (phase != 0) & (phase != -1), value.lo + 0.6 * low * width, value.lo
        )
        hi = np.where(
            (phase != 0) & (phase != 1), value.hi - 0.6 * (1 - high) * width, value.hi
        )
        phases[n] = phase.astype(np.int8)
        enclosures[n] = Interval(jnp.asarray(lo), jnp.asarray(np.maximum(lo, hi)))
    return shared._replace(enclosures=enclosures), phases


def check_cells(net, seeds=range(3), cells=16):
    met = {"empty": 0, "bounded": 0}
    for seed in seeds:
        random = np.random.default_rng(seed)
        weights = weights_of(random)
        shared, first = net.whole(weights)
        inside, outputs = net.values_cut(weights, GRID), network(weights, GRID, np)
        for _ in range(cells):
            cell, phases = random_cell(random, shared)
            there = np.ones(len(GRID), bool)
            for n, v in cell.enclosures.items():
                lo, hi, x = v.lo, v.hi, inside[n]
                held = np.asarray((lo <= x) & (x <= hi)).reshape(len(GRID), -1)
                there &= held.all(axis=1)
            rows, offset = random.normal(size=(2, 2)), random.normal(size=2)
            scale = random.choice([0.0, 1e-310, 0.03, 0.3, 1.0])
            choices = _cells.Choices(
                {k: random.random(s.shape) for k, s in first.slopes.items()},
                {
                    k: scale * random.normal(size=m.shape)
                    for k, m in first.multipliers.items()
                },
            )
            target = _cells.Target(phases, rows, offset)
            lower, empty = net.bound(cell, target, choices)
            assert not (bool(empty) and there.any())
            met["empty"] += bool(empty)
            if there.any():
                least = (outputs[there] @ rows.T - offset).min(axis=0)
                assert (np.asarray(lower) <= least + ROUNDING).all()
                met["bounded"] += 1
    return met


def test_bounds_on_cells_are_below_what_is_there(net):
    met = check_cells(net)
    assert met["bounded"] >= 10, met


def check_constraints():
    """At every x of a cell the form less its multiples is below the form, exactly; and
    multiples are worth something."""
    random, gained = np.random.default_rng(4), 0.0
    for case in range(40):
        n = 6
        lo, width = random.normal(size=n), random.random(n)
        value = Interval(jnp.asarray(lo), jnp.asarray(lo + width))
        a, offset = random.normal(size=(1, n)), random.normal(size=1)
        phase = np.array([0, 1, -1, 2, -2, 0], np.int8)
        given = random.normal(size=(1, n)) * 10.0 ** -(case % 10)
        shared = _phases.Whole({}, {}, {}, {0: value}, {})
        start = {0: jnp.asarray(a)}
        total, error = _phases.subtract(
            shared, {0: value}, {0: phase}, {0: given}, start, jnp.asarray(offset), 0.0
        )
        left = np.asarray(start[0])
        assert (left[0, phase == 0] == a[0, phase == 0]).all()
        gained += np.abs(left - a)[0, 1:5].sum()
        for x in (lo, lo + width, lo + width * random.random(n)):
            exact = _exactly(a[0], x) + Fraction(offset[0])
            below = _exactly(left[0], x) + Fraction(float(total[0]))
            assert below - Fraction(float(error[0])) <= exact
    assert gained > 1


def _exactly(row, x):
    pairs = zip(row.tolist(), x.tolist(), strict=True)
    return sum(Fraction(a) * Fraction(v) for a, v in pairs)


def test_multiples_of_constraints_are_never_positive():
    check_constraints()


@pytest.mark.parametrize(
    "sound, faulty",
    [
        ("jnp.where(phase == -1, value.hi, value.lo)", "value.hi"),
        ("jnp.where(phase == 1, value.lo, value.hi)", "value.lo"),
        ("start, number, -weights", "start, number, weights"),
        ("error + _steps.accumulate(", "0 * _steps.accumulate("),
        ("jnp.sign(phase)", "jnp.roll(jnp.sign(phase), 1)"),
    ],
)
def test_a_fault_in_the_multiples_is_noticed(sound, faulty):
    with faults.planted(_phases, sound, faulty, keep=("Switch", "Bend", "Whole")):
        assert faults.notices(check_constraints)


def test_an_interval_that_is_too_short_is_noticed(net, monkeypatch):
    """Each end moved inward by a third of what the cell has."""
    old = _phases.known_of

    def short(shared, phases):
        return {
            n: Interval(v.lo + 0.35 * (v.hi - v.lo), v.hi - 0.35 * (v.hi - v.lo))
            for n, v in old(shared, phases).items()
        }

    monkeypatch.setattr(_phases, "known_of", short)
    assert faults.notices(check_cells, Net())


def test_operands_of_what_bends_are_cut(net):
    """... but not inputs, nor what only linear equations use; max(x, c) is a switch."""
    kinds = [(type(p).__name__, net.graph.avals[p.operand].shape) for p in net.parts]
    assert kinds == [("Bend", (4,)), *[("Bend", ())] * 4]

    def f(x):
        y = 2 * jnp.sin(x)
        z = jnp.maximum(y, 0.5) + x
        return jnp.maximum(z, 0) * z

    jaxpr = jax.make_jaxpr(f)(jnp.zeros(3))
    graph = flatten(jaxpr.jaxpr, jaxpr.consts)
    parts = _phases.places_to_cut(graph, set(graph.inputs))
    names = [
        (type(p).__name__, [graph.equations[k].name for k in p.positions])
        for p in parts
    ]
    # z goes through a product as well, and relu(z) through that product alone
    assert names == [("Switch", ["max"]), ("Bend", ["max", "mul"]), ("Bend", ["mul"])]


def test_cuts_are_inside_and_in_single_precision():
    lo = jnp.array([-1.0, 0.1, 1.0, 0.0, -jnp.inf, 3.0])
    hi = jnp.array([2.0, 0.3, 1.0 + 2.0**-40, 1e-300, 1.0, 3.0])
    at = np.asarray(_phases.cut_at(Interval(lo, hi)))
    assert at[0] == 0.5 and at[1] == np.float32(0.2)
    assert np.isnan(at[2:]).all()


def test_phases_say_which_ends_are_cuts():
    for first in (1, -1):
        old = np.array([0, first, first, 2 * first], np.int8)
        sides = np.array([1, first, -first, -first], np.int8)
        found = _phases.cut_again(old, sides)
        assert found.tolist() == [1, first, 2 * first, 2 * first]


def test_a_ranking_names_elements_that_help(net):
    random = np.random.default_rng(5)
    shared, first = net.whole(weights_of(random))
    phases = {n: np.zeros(v.shape, np.int8) for n, v in shared.enclosures.items()}
    target = _cells.Target(phases, random.normal(size=(2, 2)), np.full(2, 9.0))
    found = net.rank(shared, target, first)
    worth = np.asarray(found.gains) > -np.inf
    assert worth.any()
    ends = [
        np.concatenate(
            [
                np.ravel(getattr(v, e))
                for v in (shared.enclosures[p.operand] for p in net.parts)
            ]
        )
        for e in ("lo", "hi")
    ]
    places = np.asarray(found.indices)[worth]
    assert (ends[0][places] < found.at[worth]).all()
    assert (found.at[worth] < ends[1][places]).all()
