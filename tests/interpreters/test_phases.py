"""Bounds on cells against exact rational minima, and exact sums of constraints.

The oracle cuts the input rectangle along the line where each switch turns and keeps the
side of its phase; what is left are polygons on which the network is affine.
"""

from fractions import Fraction

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tests.search import exact_relu, faults
from torchlean_jax.domains.interval import Interval
from torchlean_jax.interpreters import _cells, _own_slopes, _phases, _splits
from torchlean_jax.interpreters._crown import crown, enclose
from torchlean_jax.interpreters._graph import flatten
from torchlean_jax.interpreters._patterns import recognise

MEMORY = 2**28
SIZES, LEVELS = (2, 4, 3, 2), (0.0, 0.375)
LO, HI = (-1.0, -0.75), (1.25, 1.0)


def layers_of(seed):
    random = np.random.default_rng(seed)
    return [
        (random.normal(size=(m, n)), random.normal(size=n) / 4)
        for m, n in zip(SIZES[:-1], SIZES[1:], strict=True)
    ]


def network(layers, x):
    for (weights, bias), level in zip(layers, (*LEVELS, None), strict=True):
        x = jnp.dot(x, weights, precision="highest") + bias
        x = x if level is None else jnp.maximum(x, level)
    return x


class Net:
    """A small network with everything its cells need; one program for all weights."""

    def __init__(self, refine=crown):
        jaxpr = jax.make_jaxpr(network)(layers_of(0), jnp.zeros(2))
        self.graph = recognise(flatten(jaxpr.jaxpr, jaxpr.consts))
        *self.weights, x = self.graph.inputs
        sets = {x: Interval(jnp.asarray(LO), jnp.asarray(HI))}
        self.parts = _phases.places_to_cut(self.graph, sets)

        def whole(weights):
            base = enclose(self.graph, weights, sets, memory=MEMORY, refine=refine)
            return _phases.whole(base, self.parts)

        def bound(shared, target, choices):
            cell, empty = _phases.on_cell(self.graph, shared, target.phases, MEMORY)
            lower = _cells.lower_with(cell, shared, cell.values, target, choices)
            return lower, empty

        self._whole, self.bound = jax.jit(whole), jax.jit(bound)
        self.first = jax.jit(
            lambda shared: _cells.first_choices(self.graph, shared, MEMORY, 2)
        )

    def whole(self, layers):
        flat = jax.tree.leaves(layers)
        return self._whole(dict(zip(self.weights, flat, strict=True)))

    def phases(self, random, share=0.4):
        shares = [(1 - share), share / 2, share / 2]
        shapes = {p.operand: self.graph.avals[p.operand].shape for p in self.parts}
        return {
            n: random.choice([0, 1, -1], size=shape, p=shares).astype(np.int8)
            for n, shape in shapes.items()
        }

    def in_layers(self, phases):
        return [phases[part.operand] for part in self.parts]


def pieces_of(layers, phases):
    """The polygons of a cell on which the network is affine."""
    polygons = [exact_relu.rectangle(LO, HI)]
    for depth, (phase, level) in enumerate(zip(phases, LEVELS, strict=True), 1):
        for neuron, side in enumerate(phase.tolist()):

            def above(point, depth=depth, neuron=neuron, level=level):
                return before(layers, depth, point)[neuron] - Fraction(level)

            polygons = [
                part
                for polygon in polygons
                for part in exact_relu._cut(polygon, [above(p) for p in polygon])
                if all(side * above(p) >= 0 for p in part)
            ]
    return polygons


def exact_least(layers, phases, row, offset):
    """The least of row @ network(x) - offset on a cell; None if no x is in it."""
    row = [Fraction(c) for c in row.tolist()]
    values = [
        sum(c * v for c, v in zip(row, before(layers, 3, p), strict=True))
        for polygon in pieces_of(layers, phases)
        for p in polygon
    ]
    return min(values) - Fraction(float(offset)) if values else None


def before(layers, depth, point):
    """What the layer of number `depth` computes before its switch, exactly."""
    values = [Fraction(v) for v in point]
    for k, (weights, bias) in enumerate(layers[:depth]):
        if k:
            values = [max(v, Fraction(LEVELS[k - 1])) for v in values]
        bias = exact_relu.fractions(bias)[0]
        values = exact_relu._affine(values, exact_relu.fractions(weights), bias)
    return values


def check_cells(seeds=range(4), cells=8):
    """No bound on a cell is above the exact minimum, whatever slopes and multipliers
    are; a cell that is said to be empty is."""
    met, net = {"empty": 0, "bounded": 0}, Net()
    for seed in seeds:
        random, layers = np.random.default_rng(seed), layers_of(seed)
        shared = net.whole(layers)
        first = net.first(shared)
        rows, offset = random.normal(size=(2, 2)), random.normal(size=2)
        for _ in range(cells):
            phases = net.phases(random)
            scale = random.choice([1e-310, 0.01, 0.3, 1.0, 10.0])
            choices = _cells.Choices(
                {k: random.random(s.shape) for k, s in first.slopes.items()},
                {
                    k: scale * random.normal(size=m.shape)
                    for k, m in first.multipliers.items()
                },
            )
            lower, empty = net.bound(
                shared, _cells.Target(phases, rows, offset), choices
            )
            for row, d, bound in zip(rows, offset, lower.tolist(), strict=True):
                exact = exact_least(layers, net.in_layers(phases), row, d)
                assert exact is None or not bool(empty)
                if exact is not None:
                    assert Fraction(bound) <= exact
                    met["bounded"] += 1
            met["empty"] += bool(empty)
    return met


@pytest.fixture(autouse=True)
def _wide():
    with jax.enable_x64(True):
        yield


def test_bounds_on_cells_are_below_exact_minima():
    met = check_cells()
    assert met["bounded"] >= 20 and met["empty"] >= 3, met


@pytest.mark.parametrize(
    "sound, faulty",
    [
        ("start, number, -weights", "start, number, weights"),
        ("jnp.sign(phase)", "jnp.roll(jnp.sign(phase), 1)"),
        ("jnp.where(phase > 0,", "jnp.where(phase < 0,"),
        ("jnp.where(given >= tiny, given, 0)", "given"),
    ],
)
def test_a_fault_in_cells_is_noticed(sound, faulty):
    keep = ("Switch", "Bend", "Whole")
    with faults.planted(_phases, sound, faulty, keep=keep):
        old, _cells.subtract = _cells.subtract, _phases.subtract
        try:
            assert faults.notices(check_cells)
        finally:
            _cells.subtract = old


def check_subtract():
    """rows . x + offset - error is below the target less the multiples, exactly, at
    every x of the enclosure."""
    random = np.random.default_rng(3)
    for case in range(40):
        n = 5
        lo, width = random.normal(size=n), random.random(n)
        value = Interval(jnp.asarray(lo), jnp.asarray(lo + width))
        level = random.normal(size=n)
        a, offset = random.normal(size=(1, n)), random.normal(size=1)
        phase = random.choice([-1, 0, 1], size=n).astype(np.int8)
        given = random.normal(size=(1, n)) * 10.0 ** -(case % 20)
        c = jnp.asarray(level)
        shared = _phases.Whole({}, {}, {}, {0: value}, {0: Interval(c, c)})
        start = {0: jnp.asarray(a)}
        total, error = _phases.subtract(
            shared, {0: value}, {0: phase}, {0: given}, start, jnp.asarray(offset), 0.0
        )
        for x in (lo, lo + width, lo + width * random.random(n)):
            exact = _exactly(a[0], x) + Fraction(offset[0])
            for m, p, v, c in zip(given[0], phase, x, level, strict=True):
                exact -= Fraction(max(m, 0)) * int(p) * (Fraction(v) - Fraction(c))
            below = _exactly(np.asarray(start[0])[0], x) + Fraction(float(total[0]))
            assert below - Fraction(float(error[0])) <= exact


def _exactly(row, x):
    pairs = zip(row.tolist(), np.asarray(x).tolist(), strict=True)
    return sum(Fraction(a) * Fraction(v) for a, v in pairs)


def test_multiples_of_constraints_are_taken_off_with_their_rounding():
    check_subtract()


@pytest.mark.parametrize(
    "sound, faulty",
    [
        ("error = error + _steps.accumulate(", "_ = _steps.accumulate("),
        ("minimum_over(weights, _ends", "minimum_over(-weights, _ends"),
        ("start, number, -weights", "start, number, weights"),
        ("jnp.where(given >= tiny, given, 0)", "given"),
    ],
)
def test_a_fault_in_the_multiples_is_noticed(sound, faulty):
    with faults.planted(_phases, sound, faulty, keep=("Switch", "Bend", "Whole")):
        assert faults.notices(check_subtract)


def test_multipliers_are_found():
    """x0 + x1 >= 0 and x0 - x1 >= 0 give x0 >= 0: half of each."""

    def f(x):
        both = jnp.stack([x[0] + x[1], x[0] - x[1]])
        return jnp.concatenate([x[:1], jnp.maximum(both, 0)])

    jaxpr = jax.make_jaxpr(f)(jnp.zeros(2))
    graph = recognise(flatten(jaxpr.jaxpr, jaxpr.consts))
    sets = {graph.inputs[0]: Interval(-jnp.ones(2), jnp.ones(2))}
    (part,) = parts = _phases.places_to_cut(graph, sets)
    shared = _phases.whole(enclose(graph, {}, sets, memory=MEMORY), parts)
    target = _cells.Target(
        {part.operand: np.ones(2, np.int8)}, np.array([[1.0, 0, 0]]), np.zeros(1)
    )

    @jax.jit
    def bound(shared):
        first = _cells.first_choices(graph, shared, MEMORY, 1)
        options = {"memory": MEMORY, "iterations": 40}
        return _cells.bound_cell(graph, shared, target, first, **options)

    found = bound(shared)
    assert -0.05 < float(found.lower[0]) <= 0
    np.testing.assert_allclose(found.choices.multipliers[part.operand], 0.5, atol=0.05)


def test_a_ranking_names_free_elements_that_help():
    net, random = Net(), np.random.default_rng(1)
    shared = net.whole(layers_of(1))
    phases = net.phases(random, share=0.2)
    target = _cells.Target(phases, random.normal(size=(2, 2)), np.ones(2))
    options = {"memory": MEMORY, "candidates": 5}
    rank = jax.jit(
        lambda c: _splits.rank(net.graph, net.parts, shared, target, c, **options)
    )
    found = rank(net.first(shared))
    known = np.concatenate([phases[p.operand] for p in net.parts])
    values = [shared.enclosures[p.operand] for p in net.parts]
    levels = np.repeat(LEVELS, [len(phases[p.operand]) for p in net.parts])
    lo, hi = (np.concatenate([getattr(v, e) for v in values]) for e in ("lo", "hi"))
    worth = np.asarray(found.gains) > -np.inf
    assert worth.any()
    for index in np.asarray(found.indices)[worth]:
        assert known[index] == 0 and lo[index] < levels[index] < hi[index]


def test_slopes_of_their_own_only_tighten():
    """... and the enclosures hold at sampled points, exactly."""
    random = np.random.default_rng(0)
    nets = [Net(refine) for refine in (crown, _own_slopes.by_own_slopes(15))]
    gained = 0.0
    for seed in range(4):
        layers = layers_of(seed)
        plain, own = (net.whole(layers).enclosures for net in nets)
        for depth, part in enumerate(nets[0].parts, 1):
            old, new = plain[part.operand], own[part.operand]
            assert (new.lo >= old.lo).all() and (new.hi <= old.hi).all()
            gained += float(jnp.sum(old.width - new.width))
            ends = list(zip(new.lo.tolist(), new.hi.tolist(), strict=True))
            for x in random.uniform(LO, HI, size=(20, 2)).tolist():
                pairs = zip(before(layers, depth, x), ends, strict=True)
                assert all(Fraction(lo) <= v <= Fraction(hi) for v, (lo, hi) in pairs)
    assert gained > 0
