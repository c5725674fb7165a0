"""The search over phases against exact minima of small networks."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import torchlean_check
import torchlean_jax as tl
from tests.search import exact_relu
from tests.search.faults import notices, planted
from torchlean_jax import _parts
from torchlean_jax._question import question
from torchlean_jax.domains._errors import InputError
from torchlean_jax.interpreters._cells import Forms
from torchlean_jax.search import Branching, _cells, _corners
from torchlean_jax.search._region import Region

LO, HI = (-1.0, -0.75), (1.25, 1.0)
SIZES = (2, 5, 4, 2)
PHASES = Branching(cut="phases", batch=16, most_parts=400)


def layers_of(seed):
    random = np.random.default_rng(seed)
    return [
        (random.normal(size=(m, n)).astype(np.float32), random.normal(size=n) / 4)
        for m, n in zip(SIZES[:-1], SIZES[1:], strict=True)
    ]


def network(layers, x):
    for k, (weights, bias) in enumerate(layers):
        x = jnp.maximum(x, 0) if k else x
        x = jnp.dot(x, weights, precision="highest") + bias
    return x


def decided(layers, spec, **options):
    layers = [(w, np.float32(b)) for w, b in layers]
    args = layers, tl.box(jnp.asarray(LO, jnp.float32), jnp.asarray(HI, jnp.float32))
    options = {"split": PHASES, "attack": False, "certificate": False} | options
    return tl.verify(network, args, spec, **options)


def least_of(layers, row) -> float:
    exact: Any = exact_relu.least(layers, LO, HI, [row], [0.0])
    return float(exact)


def check_answers(seeds=range(3), method="crown"):
    """Proved below the exact minimum, never above it."""
    cut = 0
    for seed in seeds:
        layers = [(w, np.float32(b)) for w, b in layers_of(seed)]
        row = np.random.default_rng(seed).normal(size=2).astype(np.float32)
        least = least_of(layers, row)
        below = decided(layers, tl.spec.linear(row, least - 0.1), method=method)
        assert below.status == "proved" and 0 < below.margin <= 0.1001
        cut += below.parts > 1
        above = decided(layers, tl.spec.linear(row, least + 1e-3), method=method)
        assert above.status == "unknown" and above.margin <= 0
    return cut


@pytest.mark.parametrize("method", ["crown", "alpha-crown"])
def test_answers_agree_with_exact_minima(method):
    assert check_answers(method=method) >= 1


def test_answers_agree_where_enclosures_are_narrowed_at_once(monkeypatch):
    monkeypatch.setattr(_cells, "_NARROWED_EVERY", 0)
    check_answers()


def check_margins_of_what_was_narrowed():
    """No more is claimed than the assumption leaves, although the bound says more."""
    layers = [(w, np.float32(b)) for w, b in layers_of(0)]
    args = layers, tl.box(jnp.asarray(LO, jnp.float32), jnp.asarray(HI, jnp.float32))
    row = np.array([1.0, -0.5], np.float32)
    spec = tl.spec.linear(row, least_of(layers, row) - 0.1)
    asked = question(network, args, spec, "real", None, None)
    formula, region = asked.formula, Region(asked.model, asked.args, "crown")
    kind = _cells.Cells(region, formula.rows, formula.offset)
    rows, lacking, said = kind.root() | {"depth": np.zeros(1, np.int32)}, 2.0**-6, 0
    for _ in range(6):  # each narrowing builds on those before
        bounded = kind.bound(rows)
        choices = kind.choices(bounded.extra)
        first = jax.tree.map(lambda c: c[0], choices)
        kind._narrow(rows, 0, first, lacking, np.zeros(1))
        assert 0 < rows["most"][0] <= lacking * 2.0**-10
        said = max(said, kind.bound(rows).margin[0])
        assert said <= rows["most"][0]


def test_what_was_narrowed_claims_no_more_than_was_assumed():
    check_margins_of_what_was_narrowed()


def close_calls(seeds=range(4)) -> list[str]:
    """What is said of rows 1e-5 below their exact minimum."""
    said = []
    for seed in seeds:
        layers = [(w, np.float32(b)) for w, b in layers_of(seed)]
        row = np.random.default_rng(seed).normal(size=2).astype(np.float32)
        spec = tl.spec.linear(row, least_of(layers, row) - 1e-5)
        verdict = decided(layers, spec, certificate=True)
        said.append(verdict.status)
        if verdict.status == "proved":
            assert torchlean_check.check(verdict.certificate.bytes).accepted
    return said


def test_what_is_true_by_little_is_proved(monkeypatch):
    """Linear programs find the multipliers that gradient ascent only comes near."""
    assert set(close_calls()) == {"proved"}
    monkeypatch.setattr(_corners, "multipliers", lambda *given: None)
    assert "unknown" in close_calls()


def test_an_empty_cell_is_proved_empty():
    """0 <= x <= 1, 2 <= x: any bound is right, and one beyond 0 is found."""
    one = np.ones((1, 1))
    forms = Forms(one, np.array([-5.0]), -one, np.array([2.0]))
    fixed, lo, hi = np.array([True]), np.zeros(1), np.ones(1)
    (weight,) = _corners.multipliers(forms, fixed, lo, hi)[0]
    ends = [x - 5.0 + weight * (2.0 - x) for x in (0.0, 1.0)]
    assert weight >= 0 and min(ends) > 0


@pytest.mark.parametrize(
    "sound, faulty",
    [
        ("for phase in (-1, 1)", "for phase in (-1, -1)"),
        ("lower - slack", "lower + 0.2"),
        ("phases[which, index] = cut", "phases[which, 0] = cut"),
    ],
)
def test_a_fault_in_the_search_is_noticed(sound, faulty):
    with planted(_cells, sound, faulty, keep=("Region",)):
        sound_kind, _parts.Cells = _parts.Cells, _cells.Cells
        try:
            assert notices(check_answers)
        finally:
            _parts.Cells = sound_kind


@pytest.mark.parametrize(
    "check, sound, faulty",
    [
        (check_answers, "slack + lacking * _ABOVE", "slack - lacking"),
        (
            check_margins_of_what_was_narrowed,
            'min(rows["most"][k], above)',
            "np.inf",
        ),
    ],
)
def test_a_fault_in_narrowing_is_noticed(check, sound, faulty):
    with planted(_cells, sound, faulty, keep=("Region",)):
        sound_kind, _parts.Cells = _parts.Cells, _cells.Cells
        _cells._NARROWED_EVERY = 0
        try:
            assert notices(check)
        finally:
            _parts.Cells = sound_kind


def test_a_disjunction_is_proved_by_one_of_its_rows():
    layers = [(w, np.float32(b)) for w, b in layers_of(0)]
    row = np.array([1.0, -0.5], np.float32)
    least = least_of(layers, row)
    true, false = (tl.spec.linear(row, d) for d in (least - 0.1, least + 50))
    assert decided(layers, false | true).status == "proved"
    assert decided(layers, false | false).status == "unknown"
    assert decided(layers, false & true).status == "unknown"


def test_a_violation_is_found():
    layers = [(w, np.float32(b)) for w, b in layers_of(2)]
    row = np.array([1.0, 1.0], np.float32)
    least = least_of(layers, row)
    found = decided(layers, tl.spec.linear(row, least + 1e-3), attack=True)
    assert found.status == "refuted" and found.margin <= 0


def test_clauses_are_the_formula():
    a, b, c, d = (("rows", k, k + 1) for k in range(4))
    shape = ("all", (("any", (a, ("all", (b, c)))), d))
    assert _cells.clauses(shape) == [[0, 1], [0, 2], [3]]


def test_what_has_no_phases_is_refused():
    box, spec = tl.box([-1.0], [1.0]), tl.spec.linear([1.0], -2.0)
    with pytest.raises(InputError, match="phases"):
        tl.verify(jnp.tanh, box, spec, split=PHASES, attack=False)
    with pytest.raises(InputError, match="alpha-crown"):
        tl.verify(lambda x: jnp.maximum(x, 0), box, spec, split=PHASES, method="ibp")
    with pytest.raises(InputError, match="inputs"):
        Branching(cut="neurons")
