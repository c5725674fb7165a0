"""Certificates of searches by phases: the checker derives what the search had.

Nothing that the writer chooses can make it accept a false claim (that is tested beside
the checker); what is tested here is that true claims are accepted, and that numbers put
in a wrong place are noticed.
"""

import json

import numpy as np
import pytest

import torchlean_check
import torchlean_jax as tl
from tests.search.faults import notices, planted
from tests.search.test_cells import PHASES, decided, least_of
from tests.torchlean_check.builder import members_of
from torchlean_jax import _certified
from torchlean_jax.certificate import _cells, _writer
from torchlean_jax.domains.fp32 import ErrorModel
from torchlean_jax.search import Branching, _branch
from torchlean_jax.search._evidence import Evidence

SIZES = 2, 6, 2
SEEDS = 5, 6


@pytest.fixture(autouse=True)
def at_once(monkeypatch):
    """No cell is cut again, which would make up for what is lost."""
    monkeypatch.setattr(_certified, "_ROUNDS", 1)


def question(seed, gap):
    """A small network, a row of its outputs, and a spec that is true by `gap`."""
    random = np.random.default_rng(seed)
    layers = [
        (
            random.normal(size=(m, n)).astype(np.float32),
            random.normal(size=n).astype(np.float32) / 4,
        )
        for m, n in zip(SIZES[:-1], SIZES[1:], strict=True)
    ]
    row = random.normal(size=2).astype(np.float32)
    return layers, row, tl.spec.linear(row, least_of(layers, row) - gap)


def proved(seed, gap=0.02, more=None, **options):
    """The verdict on a true property that needs cells."""
    layers, row, spec = question(seed, gap)
    spec = spec if more is None else more(spec, row)
    verdict = decided(layers, spec, certificate=True, **options)
    assert verdict.status == "proved" and verdict.parts > 1, verdict
    return verdict


def certificates_are_as_good():
    for seed in SEEDS:
        verdict = proved(seed)
        assert verdict.certificate is not None, verdict.why_no_certificate
        report = torchlean_check.check(verdict.certificate.bytes)
        assert report.accepted and report.leaves == (verdict.parts + 1) // 2
        # slopes and multipliers were rounded to few bits, of which one part in 2**8
        # is lost at most
        assert float(report.margin_decimal) > 0.99 * verdict.margin


def test_certificates_are_as_good_as_the_search():
    certificates_are_as_good()


@pytest.mark.parametrize(
    "sound, faulty",
    [
        ("(*path, (value, index, side)) for", "path for"),
        ("float(flat[value][row, index])", "-float(flat[value][row, index])"),
        ("float(flat[value][row, index])", "float(flat[value][row, -1 - index])"),
        ("k = places[node]", "k = 0"),
        ("math.ldexp(round(math.ldexp(m, bits)), e - bits)", "0.0"),
        ("row + len(case[", "row + 0 * len(case["),
        ("np.clip(np.nan_to_num(flat), 0, 1)", "1 - flat"),
    ],
)
def test_numbers_in_a_wrong_place_are_noticed(sound, faulty, monkeypatch):
    with planted(_cells, sound, faulty):
        monkeypatch.setattr(_writer, "phase_cases", _cells.phase_cases)
        assert notices(certificates_are_as_good)


def test_a_conjunction_has_a_tree_for_each_part():
    """And a disjunction one for all of its rows."""
    both = lambda spec, row: (spec | tl.spec.linear(row, 50.0)) & spec
    verdict = proved(SEEDS[0], more=both)
    assert verdict.certificate is not None, verdict.why_no_certificate
    members = members_of(verdict.certificate.bytes)
    proof = json.loads(members["manifest.json"])["proof"]
    assert proof[0] == {"each": 2, "method": "crown"}
    leaves = [case for case in proof if "final" in case]
    assert {len(case["split_multipliers"]) for case in leaves} == {1, 2}
    assert tl.check(verdict.certificate).accepted


def test_clauses_of_a_distributed_disjunction_have_no_word():
    either = lambda spec, row: (
        tl.spec.linear(row, 50.0) | (spec & tl.spec.linear(row, -50.0))
    )
    verdict = proved(SEEDS[0], more=either)
    assert verdict.certificate is None
    assert "disjunction of conjunctions" in str(verdict.why_no_certificate)


def test_executions_have_one_too():
    verdict = proved(SEEDS[0], gap=0.05, semantics="fp32", errors=ErrorModel.xla_cpu())
    assert verdict.certificate is not None, verdict.why_no_certificate
    assert tl.check(verdict.certificate).accepted


def test_a_search_that_goes_on_from_a_file_keeps_its_evidence(tmp_path):
    file = tmp_path / "search"
    short = Branching(cut="phases", batch=2, most_parts=4)
    layers, _, spec = question(SEEDS[0], 0.02)
    for options, status in ((short, "unknown"), (PHASES, "proved")):
        found = decided(layers, spec, certificate=True, split=options, resume=file)
        assert found.status == status
    assert found.certificate is not None, found.why_no_certificate


def test_evidence_beyond_the_memory_is_dropped(monkeypatch):
    monkeypatch.setattr(_branch, "Evidence", lambda memory: Evidence(10))
    verdict = proved(SEEDS[0])
    assert verdict.certificate is None and "memory" in str(verdict.why_no_certificate)
