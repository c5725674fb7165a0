"""Verdicts of a search by parts are never wrong, and come with what they promise.

The oracle is the exact minimum of small ReLU networks (`search/exact_relu.py`).
"""

from fractions import Fraction
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import torchlean_check
import torchlean_jax as tl
from tests.published import published
from tests.search import exact_relu
from tests.search.faults import notices, planted
from torchlean_jax import _parts, spec
from torchlean_jax.domains._errors import InputError
from torchlean_jax.search import Attack, Branching, _boxes, _branch

QUICK = Attack(restarts=4, steps=4)
BOX = tl.box(jnp.asarray([-1.0, -0.5]), jnp.asarray([1.0, 1.5]))
ROWS = np.array([[1.0, -1.0], [0.5, 1.0]])


def random_layers(seed):
    random = np.random.default_rng(seed)
    shapes = (2, 6), (6, 5), (5, 2)
    return [
        (
            random.normal(size=shape).astype(np.float32),
            random.normal(size=shape[1]).astype(np.float32),
        )
        for shape in shapes
    ]


def network(x, layers):
    for number, (weights, bias) in enumerate(layers):
        x = jax.nn.relu(x) if number else x
        x = x @ weights + bias
    return x


def decided(layers, given, **options):
    """Parameters are arguments, so one program serves all seeds."""
    own: dict[str, Any] = {"attack": False, "certificate": False}
    own["split"] = Branching(most_parts=4000)  # if a fault loses the end
    arguments = BOX, jax.tree.map(jnp.asarray, layers)
    return tl.verify(network, arguments, given, **own | options)


def least(layers, rows):
    return exact_relu.least(layers, BOX.lo, BOX.hi, rows, np.zeros(len(rows)))


def lower_and_higher(exact, by=2.0**-10):
    """Two float64 numbers around an exact one, a part in a thousand apart."""
    step = by * max(1.0, abs(float(exact)))
    return float(exact) - step, float(exact) + step


def verdicts_follow_the_exact_minimum(seeds=range(6), **options):
    for seed in seeds:
        layers = random_layers(seed)
        below, above = lower_and_higher(least(layers, ROWS))
        holds = decided(layers, spec.linear(ROWS, below), **options)
        assert holds.status == "proved"
        assert 0 < holds.margin <= least(layers, ROWS) - Fraction(below)
        assert holds.proved_share == 1
        fails = decided(layers, spec.linear(ROWS, above))
        assert fails.status == "unknown"
        assert fails.margin <= least(layers, ROWS) - Fraction(above)


def test_verdicts_follow_the_exact_minimum():
    verdicts_follow_the_exact_minimum()


@pytest.mark.parametrize(
    ("module", "sound", "faulty"),
    [
        (_branch, "enumerate(halves)", "enumerate(halves[:1] * 2)"),
        (_branch, "left = ~(rows", "left = (rows"),
        (_branch, "np.fmax(bounded.margin", "-np.fmin(bounded.margin"),
        (_boxes, 'upper["lo"][np', 'lower["hi"][np'),
        (_boxes, "np.where(np.isnan(lower), -np.inf, lower)", "lower + 0.1"),
    ],
)
def test_planted_faults_are_noticed(module, sound, faulty, monkeypatch):
    kept = [name for name in ("Branching", "Bounded") if name in vars(module)]
    with planted(module, sound, faulty, keep=kept):
        for name in vars(module).keys() & {"Search", "Boxes"}:
            monkeypatch.setattr(_parts, name, vars(module)[name])
        noticed = notices(verdicts_follow_the_exact_minimum, range(2))
        monkeypatch.undo()
    assert noticed


def test_a_disjunction_holds_where_each_part_has_one_of_its_sides():
    """|x| > 0 on neither half alone: one row or the other on each part."""
    f = lambda x: jnp.stack([x[0], -x[0]]) + 0.25 * jnp.cos(x[0])
    either = spec.linear([1.0, 0.0]) | spec.linear([0.0, 1.0])
    inputs = tl.box([-1.0], [1.0])
    assert tl.verify(f, inputs, either, attack=False).status == "unknown"
    verdict = tl.verify(f, inputs, either, split=True, attack=False)
    assert verdict.status == "proved" and verdict.parts > 1
    both = spec.linear([[1.0, 0.0], [0.0, 1.0]])
    assert tl.verify(f, inputs, both, split=True, attack=QUICK).status == "refuted"


def test_a_counterexample_is_found_and_exact():
    for seed in range(3):
        layers = random_layers(seed)
        _, above = lower_and_higher(least(layers, ROWS), 2.0**-6)
        verdict = decided(layers, spec.linear(ROWS, above), attack=QUICK)
        assert verdict.status == "refuted"
        x, _ = verdict.counterexample
        assert bool(jnp.all((BOX.lo <= x) & (x <= BOX.hi)))
        y = exact_relu.evaluate(layers, np.asarray(x))
        rows = exact_relu.fractions(ROWS)
        values = [
            sum(map(lambda a, b: a * b, row, y)) - Fraction(above) for row in rows
        ]
        assert min(values) <= Fraction(verdict.margin) <= 0


def test_a_certificate_of_a_tree_is_accepted_and_small():
    layers = random_layers(1)
    below, _ = lower_and_higher(least(layers, ROWS))
    verdict = decided(layers, spec.linear(ROWS, below), certificate=True)
    assert verdict.parts > 10
    report = torchlean_check.check(verdict.certificate.bytes)
    assert report.accepted
    assert report.leaves == (verdict.parts + 1) // 2
    one_leaf = decided(layers, spec.linear(ROWS, below - 100), certificate=True)
    grown = len(verdict.certificate.bytes) - len(one_leaf.certificate.bytes)
    assert grown / (report.leaves - 1) <= 200


def test_a_search_that_stays_open_attacks_again(monkeypatch):
    """Once more, harder, and in many inputs with no more than fit."""
    given = []

    def attacks(asked, options, seed):
        given.append(options.restarts)
        return {"tried": "recorded"}

    monkeypatch.setattr(_parts, "by_attack", attacks)
    monkeypatch.setattr(_parts, "_ATTACKS", {1: 1, 2: 128})
    options = {"attack": QUICK, "split": Branching(batch=16, most_parts=100)}
    positive = tl.spec.linear([1.0])  # but for 1/3, which is no float

    def f(x):
        return jnp.square(3 * x - 1)[:1]

    verdict = tl.verify(f, tl.box(jnp.zeros(2), jnp.ones(2)), positive, **options)
    assert given == [4, 512] and verdict.tried.count("recorded") == 2
    monkeypatch.setattr(_parts, "_MOST_STARTS", 20)
    tl.verify(f, tl.box(jnp.zeros(2), jnp.ones(2)), positive, **options)
    assert given[2:] == [4, 10]


def test_the_same_search_twice():
    layers = random_layers(2)
    below, _ = lower_and_higher(least(layers, ROWS))
    once, again = (
        decided(layers, spec.linear(ROWS, below), certificate=True) for _ in range(2)
    )
    assert once.certificate.bytes == again.certificate.bytes
    assert once.parts == again.parts


def test_little_memory_changes_no_verdict():
    layers = random_layers(2)
    below, _ = lower_and_higher(least(layers, ROWS))
    small = Branching(batch=8, memory=1)
    verdict = decided(layers, spec.linear(ROWS, below), split=small)
    assert verdict.status == "proved"


def test_a_time_limit_leaves_a_bound_and_a_share():
    layers = random_layers(1)
    exact = least(layers, ROWS)
    seen = []
    verdict = decided(
        layers,
        spec.linear(ROWS, float(exact)),
        split=False,
        timeout=1.5,
        watch=seen.append,
    )
    assert verdict.status == "unknown" and 1.4 < verdict.seconds < 15
    assert verdict.margin <= 0
    assert verdict.proved_share is not None
    assert 0 < verdict.proved_share < 1
    assert "Proved of the set: " in str(verdict) and "ended by time" in verdict.tried
    assert seen[-1].parts == verdict.parts


def test_claims_about_executions_pay_for_rounding():
    f = lambda x: x**4 - x**2 + 0.25 + x
    shifted = lambda x: (x + 2.0**24) - 2.0**24
    inputs = tl.box([0.25], [0.75])
    given = spec.linear([1.0])
    verdict = tl.verify(f, inputs, given, split=True, semantics="fp32")
    assert verdict.status == "proved"
    assert tl.check(verdict.certificate, model=f).accepted
    assert tl.verify(shifted, inputs, given, split=True).status == "proved"
    run = tl.verify(shifted, inputs, given, timeout=60.0, semantics="fp32")
    assert run.status == "refuted"


def test_false_certificates_of_other_tools_are_not_ours():
    """Network B is -0.5 over the reals, and network A is x, which no float32 run is."""
    folder = published("soundness_counterexamples")
    for name, semantics, status in (
        ("false_cert_B", "real", "refuted"),
        ("false_cert_A_f32run", "real", "proved"),
        ("false_cert_A_f32run", "fp32", "refuted"),
    ):
        net, params = tl.from_onnx(folder / f"{name}.onnx")
        assert net.inputs[0].shape is not None
        query = tl.read_vnnlib(folder / f"{name}.vnnlib")
        (case,) = query.cases
        shape = tuple(n if isinstance(n, int) else 1 for n in net.inputs[0].shape)
        verdict = tl.verify(
            net, (params, case.box(shape)), case.spec(), timeout=20, semantics=semantics
        )
        assert verdict.status == status


@pytest.mark.parametrize(
    "options",
    [
        {"split": "inputs"},
        {"split": True, "timeout": 0},
        {"timeout": -1.0},
        {"timeout": float("nan")},
        {"split": True, "method": "alpha-crown"},
        {"split": True, "where": tl.halfspaces([1.0, 0.0], 0.0)},
    ],
    ids=str,
)
def test_bad_options_are_refused(options):
    with pytest.raises(InputError):
        tl.verify(lambda x: x, BOX, spec.margin(0), **options)


def test_balls_are_not_cut():
    ball = tl.ball(jnp.zeros(2), 1.0)
    with pytest.raises(InputError, match="ball"):
        tl.verify(lambda x: x, ball, spec.margin(0), split=True)


@pytest.mark.parametrize("given", [{"batch": 0}, {"memory": 1.5}, {"most_parts": 0}])
def test_bad_search_options_are_refused(given):
    with pytest.raises(InputError, match="positive"):
        Branching(**given)
