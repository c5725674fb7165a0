"""The scan of all inputs notices faults, goes on where it stopped, and has an oracle of
its own that agrees with the tests' one.
"""

import dataclasses
import json
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tests.domains.ieee32 import functions_oracle as oracle
from torchlean_jax.domains.ieee32 import _functions
from torchlean_jax.domains.ieee32._functions import UNARY, _convert
from torchlean_jax.domains.ieee32._functions._hard_cases import HARD_CASES

ROOT = Path(__file__).parents[3]
SMALL = 1 << 12


@pytest.fixture
def scan(monkeypatch, tmp_path):
    """The script, with small chunks around 1.0, and nothing written to the checkout."""
    monkeypatch.syspath_prepend(str(ROOT / "scripts"))
    import scan_functions

    monkeypatch.setattr(scan_functions, "CHUNK", SMALL)
    monkeypatch.setattr(scan_functions, "STATES", tmp_path / "states")
    monkeypatch.setattr(scan_functions, "EVIDENCE", tmp_path / "evidence.json")
    return scan_functions


FIRST = 0x3F800000 // SMALL


@pytest.mark.parametrize("name", UNARY)
def test_a_chunk_of_right_results_is_accepted(name, scan):
    for index in (FIRST, 0x80000000 // SMALL, 0x7F800000 // SMALL, 0):
        near, different = scan.scan_chunk(name, index)
        assert not different
        assert len(near) < 60


@pytest.mark.parametrize("offset", [0, 77, SMALL - 1])
def test_one_wrong_result_is_found(offset, scan, monkeypatch):
    real, key = UNARY["exp"], FIRST * SMALL + offset
    wrong = {key: int(real(jnp.uint32(key))) + 1}
    monkeypatch.setattr(_convert, "HARD_CASES", {"exp": wrong})
    monkeypatch.setitem(_functions.UNARY, "exp", dataclasses.replace(real))
    near, different = scan.scan_chunk("exp", FIRST)
    assert different == [key] or (key in near and not different)


def test_midpoints_are_noticed(scan):
    lower = oracle.sample(5) & np.uint32(0x7FFFFFFF)
    lower = lower[lower < oracle.INFINITY - 1]
    numbers = (lower.view(np.float32), (lower + 1).view(np.float32))
    middle = (numbers[0].astype(np.float64) + numbers[1]) / 2
    for moved in (middle, middle * (1 + 2.0**-50), -middle * (1 - 2.0**-50)):
        assert scan.next_to_midpoint(moved, 512).all()
    normal = middle > 2.0**-126
    for moved in (middle[normal] * (1 + 2.0**-40), numbers[0].astype(np.float64)):
        assert not scan.next_to_midpoint(moved, 512).any()


def test_an_interrupted_scan_goes_on_and_another_code_starts_anew(scan, monkeypatch):
    calls = []

    def chunks(name, todo, jobs):
        for index in todo:
            calls.append(index)
            yield [index], []

    monkeypatch.setattr(scan, "CHUNKS", 5)
    assert scan.scan("exp", chunks, -np.inf, 1).found["next"] == 1
    state = scan.scan("exp", chunks, np.inf, 1)
    assert (calls, state.found["near"]) == ([0, 1, 2, 3, 4],) * 2
    monkeypatch.setattr(scan, "digest", lambda name: "another")
    scan.scan("exp", chunks, np.inf, 1)
    assert calls == [0, 1, 2, 3, 4] * 2


def test_several_processes_give_the_same_in_the_same_order(scan, monkeypatch):
    """Threads in place of processes, which would have to import JAX again."""
    from concurrent.futures import ThreadPoolExecutor

    pool = lambda jobs, mp_context: ThreadPoolExecutor(jobs)
    monkeypatch.setattr(scan, "ProcessPoolExecutor", pool)
    todo = range(FIRST - 3, FIRST + 4)
    assert [*scan.in_processes("exp", todo, 2)] == [*scan.one_by_one("exp", todo, 1)]


def test_evidence_of_a_missing_hard_case_is_refused(scan, monkeypatch, capsys):
    """All that is left out of the table is reported, whatever our result is."""
    keys = sorted(HARD_CASES["log"])
    monkeypatch.setattr(scan, "CHUNKS", 1)
    state = scan.State("log")
    state.found |= {"next": 1, "near": keys}
    state.save()
    assert scan.main(["log", "--json"]) == 0
    evidence = json.loads(scan.EVIDENCE.read_text())["log"]
    assert (evidence["hard_cases"], evidence["wrong"]) == (len(keys), 0)
    state.found["near"] = keys[1:]
    state.save()
    assert scan.main(["log"]) == 1
    assert "the table of hard cases is not what was found" in capsys.readouterr().out


def test_the_table_is_written_as_it_is_read(scan, monkeypatch, tmp_path):
    monkeypatch.setattr(scan, "ROOM", tmp_path)
    scan.write_table(HARD_CASES)
    committed = ROOT / "domains/ieee32/_functions/_hard_cases.py"
    assert (tmp_path / "_hard_cases.py").read_text() == committed.read_text()


@pytest.mark.parametrize("name", UNARY)
def test_both_oracles_agree(name, scan):
    from _elementary_oracle import settle

    bits = [*oracle.sample(6)[::23].tolist(), *HARD_CASES.get(name, {})]
    for key in bits:
        value = oracle.exact(name, key)
        if value is not None and value != 0 and oracle.value_of(key) != 0:
            assert settle(name, key).bits == oracle.rounded(name, key)


def test_comments_leave_the_digest_alone_and_numbers_do_not(scan, monkeypatch):
    import _elementary_code

    before = _elementary_code.digest("tanh")
    read = _elementary_code.Path.read_text

    def with_change(old, new):
        patched = lambda path: read(path).replace(old, new)
        monkeypatch.setattr(_elementary_code.Path, "read_text", patched)
        return _elementary_code.digest("tanh")

    assert with_change("def tanh_small", "# why\ndef tanh_small") == before
    assert with_change("x + x * (z * t.tanh(z))", "x + x * (t.tanh(z) * z)") != before
    assert with_change("0x1.5555555555555p-2", "0x1.5555555555556p-2") != before
    assert with_change("jnp.minimum(x, 10.0)", "jnp.minimum(x, 11.0)") != before
    assert with_change("def erf_small", "def erf_small_") == before


def test_hard_cases_of_symmetric_functions_are_those_of_positive_arguments(scan):
    four = oracle.pattern(4.0)
    below = int(UNARY["sin"](jnp.uint32(four)))
    assert below & oracle.SIGN
    negative = {four | oracle.SIGN: below ^ oracle.SIGN}
    assert scan.table_of("sin", negative) == {four: below}
    assert scan.table_of("cos", {four | oracle.SIGN: 1}) == {four: 1}
    assert scan.table_of("exp", {four | oracle.SIGN: 1}) == {four | oracle.SIGN: 1}


@pytest.fixture(autouse=True)
def no_stale_programs():
    """Faults are compiled in; nothing compiled here is used elsewhere."""
    yield
    jax.clear_caches()
