"""Verdicts under linear constraints among the inputs are never wrong.

The oracle cuts the input rectangle along the constraints, then into the pieces on which
a ReLU network is linear, in fractions.
"""

from fractions import Fraction

import jax
import jax.numpy as jnp
import mpmath
import numpy as np
import pytest

import torchlean_check
import torchlean_jax as tl
from tests.search import exact_relu
from tests.search.faults import notices, planted
from tests.search.networks import QUICK, ROWS, network, random_layers
from torchlean_jax import _snapshot
from torchlean_jax.domains._errors import InputError
from torchlean_jax.interpreters import _multiplied
from torchlean_jax.search import Attack, _attack, _inside, _multipliers

SUM = tl.spec.linear([1.0])


def satisfies(x, where):
    flat = [Fraction(v) for v in np.asarray(x, np.float64).ravel().tolist()]
    return all(
        sum(Fraction(w) * v for w, v in zip(row, flat, strict=True)) >= Fraction(d)
        for row, d in zip(where.A.tolist(), where.b.tolist(), strict=True)
    )


def verdicts_are_right(method="crown-ibp"):
    seen = set()
    for seed in range(14):
        random = np.random.default_rng(seed + 100)
        layers = random_layers(seed % 7)
        centre = random.normal(size=2).astype(np.float32)
        box = tl.box(centre, radius=[0.25, 1.0][seed % 2])
        A = random.normal(size=(2, 2)).astype(np.float32)
        where = tl.halfspaces(A, A @ centre - [0.1, 0.5])
        y = float((ROWS @ np.asarray(network(layers, centre))).min())
        spec = tl.spec.linear(ROWS, y - [0.2, 1.0, 3.0][seed % 3])
        verdict = tl.verify(
            network, (layers, box), spec, method=method, attack=QUICK, where=where
        )
        polygon = exact_relu.rectangle(box.lo, box.hi)
        for row, bound in zip(where.A, where.b, strict=True):
            polygon = exact_relu.cut(polygon, row, bound)
        least = exact_relu.least_on(polygon, layers, spec.C, spec.d)
        seen.add(verdict.status)
        if verdict.status != "refuted":
            assert Fraction(verdict.margin) <= least
        if verdict.status == "proved":
            assert least > 0
            assert tl.check(verdict.certificate, model=network, args=(layers, box))
        if verdict.status == "refuted":
            x = np.asarray(verdict.counterexample[1])
            assert satisfies(x, where) and bool(box.contains(x).all())
            y = exact_relu.evaluate(layers, x)
            rows = zip(exact_relu.fractions(spec.C), spec.d, strict=True)
            values = [
                sum(c * v for c, v in zip(row, y, strict=True)) - Fraction(float(d))
                for row, d in rows
            ]
            assert min(values) <= Fraction(verdict.margin) <= 0
    return seen


def test_verdicts_are_right():
    assert {"proved", "refuted"} <= verdicts_are_right()


def linear_minima_are_reached():
    """A linear function has no relaxation to lose by: the bound is exact."""
    f = lambda x: (x @ jnp.asarray([1.0, 1.0]))[None]
    for inputs, where, least in (
        (tl.box(jnp.zeros(2), jnp.ones(2)), tl.halfspaces([1, 2], 1), 0.5),
        (tl.box(jnp.zeros(2), jnp.ones(2)), tl.halfspaces([[2, 1], [1, 3]], 1), 0.6),
        (tl.ball(jnp.zeros(2), 1.0, norm=1), tl.halfspaces([3, 1], 2), 0.5),
        # the circle meets 3 x + 4 y = 4 at (0, 1) and (24/25, 7/25): least is at (0, 1)
        (tl.ball(jnp.zeros(2), 1.0), tl.halfspaces([3, 4], 4), 1.0),
        (tl.box(jnp.zeros(2), jnp.ones(2)), tl.halfspaces([1, 0], -5), 0.0),
    ):
        for step, status in ((1e-6, "proved"), (-1e-6, "unknown")):
            spec = tl.spec.linear([1.0], least - step)
            verdict = tl.verify(f, inputs, spec, attack=False, where=where)
            assert verdict.status == status, (least, str(verdict))
            if status == "proved":
                assert 0 < verdict.margin <= step
                report = torchlean_check.check(verdict.certificate.bytes)
                assert report.accepted and "A @ x >= b" in report.claim


def test_linear_minima_are_reached():
    linear_minima_are_reached()


def test_constraints_tie_arguments_together():
    """Monotone: relu(2 x') - relu(2 x) >= 0 needs x' >= x; so does its refutation."""
    f = lambda x, y: (jax.nn.relu(2 * y) - jax.nn.relu(2 * x))[None]
    pair = tl.box(0.25, 1.0), tl.box(0.25, 1.0)
    spec = tl.spec.linear([1.0], -1e-6)
    tied = tl.halfspaces([-1.0, 1.0])
    assert tl.verify(f, pair, spec, where=tied).status == "proved"
    assert tl.verify(f, pair, spec).status == "refuted"
    backwards = tl.halfspaces([1.0, -1.0], 0.5)
    refuted = tl.verify(f, pair, spec, where=backwards)
    assert refuted.status == "refuted"
    x, y = (float(v) for v in refuted.counterexample)
    assert x - y >= 0.5


@pytest.mark.parametrize("method", ["ibp", "crown-ibp", "crown", "alpha-crown"])
def test_every_method_takes_constraints(method):
    """relu(x) + relu(y) + y where x + 2 y >= 1 on [-1, 1]^2: at least 0, at (1, 0)."""
    f = lambda x: (jax.nn.relu(x).sum() + x[1])[None]
    box, where = tl.box(-jnp.ones(2), jnp.ones(2)), tl.halfspaces([1.0, 2.0], 1.0)
    spec = tl.spec.linear([1.0], -0.75)
    with_them = tl.verify(f, box, spec, method=method, where=where, attack=False)
    without = tl.verify(f, box, spec, method=method, attack=False)
    assert with_them.margin <= 0.75 + 1
    if method == "ibp":
        assert with_them.margin == without.margin
    else:
        assert with_them.status == "proved" and without.status == "unknown"
        assert torchlean_check.check(with_them.certificate.bytes).accepted


# No input at all --------------------------------------------------------------------

NOTHING = [
    (tl.box(jnp.zeros(2), jnp.ones(2)), tl.halfspaces([1.0, 1.0], 2.5)),
    (tl.box(jnp.zeros(2), jnp.ones(2)), tl.halfspaces([[1, -1], [-1, 1]], [0.5, 0])),
    (tl.ball(jnp.zeros(2), 1.0), tl.halfspaces([1.0, 1.0], 1.4143)),
    (tl.ball(jnp.zeros(2), 1.0, norm=1), tl.halfspaces([1.0, 0.5], 1.001)),
    (tl.box(jnp.zeros(2), jnp.ones(2)), tl.halfspaces([0.0, 0.0], 1.0)),
]
SOMETHING = [
    (tl.box(jnp.zeros(2), jnp.ones(2)), tl.halfspaces([1.0, 1.0], 2.0)),
    (tl.box(jnp.zeros(2), jnp.ones(2)), tl.halfspaces([[1, -1], [-1, 1]], [0, 0])),
    (tl.ball(jnp.zeros(2), 1.0), tl.halfspaces([1.0, 1.0], 1.4142)),
    (tl.ball(jnp.zeros(2), 1.0), tl.halfspaces([3.0, 4.0], 5.0)),
    (tl.ball(jnp.zeros(2), 1.0, norm=1), tl.halfspaces([1.0, 0.5], 1.0)),
]


def contradictions_are_found_where_there_are_some():
    for inputs, where in NOTHING:
        assert _multipliers.contradiction([inputs], where) is not None
    for inputs, where in SOMETHING:
        assert _multipliers.contradiction([inputs], where) is None


def test_contradictions_are_found_where_there_are_some():
    contradictions_are_found_where_there_are_some()


@pytest.mark.parametrize("method", ["ibp", "crown"])
@pytest.mark.parametrize("case", range(len(NOTHING)))
def test_contradictory_constraints_are_said_to_be(case, method):
    inputs, where = NOTHING[case]
    f = lambda x: -jax.nn.relu(x + 1).sum()[None]
    verdict = tl.verify(f, inputs, SUM, where=where, method=method)
    assert verdict.status == "proved" and verdict.vacuous
    assert "no input of the set satisfies the constraints" in str(verdict)
    assert verdict.margin == np.inf
    assert torchlean_check.check(verdict.certificate.bytes).accepted


def test_a_proof_about_some_input_is_not_vacuous():
    inputs, where = SOMETHING[0]
    verdict = tl.verify(lambda x: x.sum()[None], inputs, SUM, where=where)
    assert verdict.status == "proved" and not verdict.vacuous
    assert "Vacuously" not in str(verdict)


# Counterexamples ----------------------------------------------------------------------


def points_outside_refute_nothing(monkeypatch):
    outside = _attack.Proposals([[np.array([0, 1], np.float32)]], [-1.0], True)
    monkeypatch.setattr(_attack, "propose", lambda *_: outside)
    box = tl.box(jnp.zeros(2), jnp.ones(2))
    f = lambda x: (x[0] - x[1] + 1e-3 * x[0] * x[1])[None]
    where = tl.halfspaces([1.0, -1.0])
    verdict = tl.verify(f, box, SUM, method="ibp", where=where)
    assert verdict.status == "unknown" and "outside of the set" in verdict.tried


def test_points_outside_refute_nothing(monkeypatch):
    points_outside_refute_nothing(monkeypatch)


def an_ulp_matters():
    """x0 + x1 >= 1 at (1/2, 1/2), but not with one float less."""
    box, where = tl.box(jnp.zeros(2), jnp.ones(2)), tl.halfspaces([1.0, 1.0], 1.0)
    x = np.float32([0.5, 0.5])
    assert _inside.is_inside([box], [x], where)
    less = np.float32([0.5, np.nextafter(np.float32(0.5), np.float32(0))])
    assert not _inside.is_inside([box], [less], where)
    # in float32, and in float64, 1 + 2**-60 is 1: rationals know better
    tiny = tl.halfspaces([[1.0, -1.0]], 2.0**-60)
    assert not _inside.is_inside([box], [np.float32([1, 1])], tiny)


def test_an_ulp_matters():
    an_ulp_matters()


@pytest.mark.parametrize("seed", range(6))
def test_equations_are_met_exactly(seed):
    """Counterexamples on x0 + x1 + x2 = 1, which rounding to nearest mostly misses."""
    box = tl.box(jnp.full(3, -2.0), jnp.full(3, 2.0))
    where = tl.halfspaces([[1, 1, 1], [-1, -1, -1]], [1, -1])
    weights = np.random.default_rng(seed).normal(size=3).astype(np.float32)
    f = lambda x: (jnp.asarray(weights) @ x)[None]
    verdict = tl.verify(f, box, SUM, where=where, seed=seed)
    assert verdict.status == "refuted"
    assert satisfies(verdict.counterexample, where)


def test_the_attack_reaches_the_least_feasible_point():
    """min x + 3 y where 2 x + y >= 1 and 3 x - y <= 1 on the square: at (2/5, 1/5)."""
    f = lambda x: (x @ jnp.asarray([1.0, 3.0]))[None]
    box = tl.box(jnp.zeros(2), jnp.ones(2))
    where = tl.halfspaces([[2.0, 1.0], [-3.0, 1.0]], [1.0, -1.0])
    spec = tl.spec.linear([1.0], 1.01)
    refuted = tl.verify(f, box, spec, where=where, method="ibp", attack=Attack(16, 60))
    assert refuted.status == "refuted"
    assert satisfies(refuted.counterexample, where)


def exact_minima_are_below():
    """min of -l (A x - b), against mpmath: never above, and nearly equal."""
    random = np.random.default_rng(0)
    for norm in [1, 2, np.inf] * 8:
        center, radius = random.integers(-99, 99, 3) / 64, random.integers(1, 99) / 64
        row, bound = random.normal(size=(1, 3)), random.normal(size=1)
        if norm == np.inf:
            region = tl.box(jnp.asarray(center, jnp.float32), radius=radius)
        else:
            region = tl.ball(jnp.asarray(center, jnp.float32), radius, norm=norm)
        where = tl.halfspaces(row, bound)
        found = _multipliers._exact_bound(np.ones(1), [region], where)
        with mpmath.workdps(60):
            c, a = ([mpmath.mpf(v) for v in vs.tolist()] for vs in (center, row[0]))
            size = {
                1: max(map(abs, a)),
                2: mpmath.sqrt(sum(v * v for v in a)),
                np.inf: sum(map(abs, a)),
            }[norm]
            true = mpmath.mpf(bound[0]) - sum(u * v for u, v in zip(a, c, strict=True))
            true -= mpmath.mpf(radius) * size
            gap = true - mpmath.mpf(found.numerator) / found.denominator
            assert 0 <= gap < 1e-15


def test_exact_minima_are_below():
    exact_minima_are_below()


MISTAKES = [
    (
        _inside,
        "return all(_excess(row, d, flat) >= 0",
        "return all(_excess(row, d, flat) >= -1",
        points_outside_refute_nothing,
    ),
    (
        _inside,
        "return all(_excess(row, d, flat) >= 0",
        "return all(float(_excess(row, d, flat)) > -1e-7",
        an_ulp_matters,
    ),
    (
        _multipliers,
        "math.isqrt(whole) + 1, scale",
        "math.isqrt(whole) - 1, scale",
        exact_minima_are_below,
    ),
    (_multipliers, "radius * max(map", "0 * max(map", exact_minima_are_below),
    (
        _multipliers,
        "min(a * lo, a * hi)",
        "max(a * lo, a * hi)",
        exact_minima_are_below,
    ),
]


@pytest.mark.parametrize(("module", "sound", "faulty", "check"), MISTAKES)
def test_planted_faults_are_noticed(module, sound, faulty, check, monkeypatch):
    arguments = [monkeypatch][: check.__code__.co_argcount]
    with planted(module, sound, faulty):
        noticed = notices(check, *arguments)
        monkeypatch.undo()
    assert noticed


def test_what_floats_call_a_contradiction_is_checked(monkeypatch):
    """The circle touches 3 x + 4 y = 5: the value there is 0, which proves nothing."""
    ball, where = tl.ball(jnp.zeros(2), 1.0), tl.halfspaces([3.0, 4.0], 5.0)
    lie = lambda *_, **__: (np.array([1.0]), 1e-9)
    monkeypatch.setattr(_multipliers, "_climb", lie)
    assert _multipliers.contradiction([ball], where) is None


def test_a_wrong_constant_would_be_noticed(monkeypatch):
    """x + y >= 1 with twice the multiplier times 1 would double the bound."""
    right = _multiplied._product
    twice = lambda w, a: right(w, a) * (2 if a.ndim == 1 else 1)
    monkeypatch.setattr(_multiplied, "_product", twice)
    _snapshot._recent.clear()  # what was compiled before is sound
    assert notices(linear_minima_are_reached)
    _snapshot._recent.clear()


@pytest.mark.parametrize(
    ("where", "says"),
    [
        (([[1.0, 1.0]], 0), "tl.halfspaces"),
        (tl.spec.linear([1.0, 1.0]), "tl.halfspaces"),
        (tl.halfspaces([1.0, 1.0, 1.0]), "3 columns; the input sets hold 2 numbers"),
    ],
)
def test_bad_constraints_are_refused(where, says):
    box = tl.box(jnp.zeros(2), jnp.ones(2))
    with pytest.raises(InputError, match=says):
        tl.verify(lambda x: x.sum()[None], box, SUM, where=where)


@pytest.mark.parametrize(
    ("A", "b", "says"),
    [
        ([[np.nan, 1.0]], 0, "finite"),
        ([1.0], np.inf, "finite"),
        ([1.0, 1e-310], 0, "A needs numbers of .* normal range"),
        ([[]], 0, "matrix"),
        (1.0, 0, "matrix"),
        ([[1.0], [2.0]], [1.0, 2.0, 3.0], "per row of A"),
        (["x"], 0, "A"),
        ([2**60 + 1], 0, "float64"),
    ],
)
def test_bad_halfspaces_are_refused(A, b, says):
    with pytest.raises(InputError, match=says):
        tl.halfspaces(A, b)
