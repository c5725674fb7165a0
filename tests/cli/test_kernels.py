"""`torchlean kernels`: what it lists, explains and checks, and how it ends."""

import contextlib
import dataclasses
import json
import signal

import jax
import pytest

from torchlean_jax.cli import _sanitize, main
from torchlean_jax.contracts import Contract, _collection
from torchlean_jax.pallas_kernels.rms_norm._contract import TERMS

SAMPLE = ["--shape", "one", "--dtype", "float32"]


def test_without_a_command_the_kernels_are_listed(capsys):
    assert main(["kernels"]) == 0
    printed = capsys.readouterr().out
    assert "y = x / sqrt(mean(x**2) + eps) * weight" in printed
    assert main(["kernels", "list"]) == 0
    assert capsys.readouterr().out == printed


def test_explain_states_the_tolerance_and_what_is_assumed(capsys):
    assert main(["kernels", "explain", "softmax"]) == 0
    printed = capsys.readouterr().out
    for said in ("2 times what any order", "ragged (5, 12)", "bfloat16", "assumed"):
        assert said in printed


def test_check_prints_and_writes_each_clause(tmp_path, capsys):
    file = tmp_path / "kernels.json"
    asked = ["kernels", "check", "rms_norm", *SAMPLE, "--clause", "memory", "precision"]
    assert main([*asked, "--json", str(file)]) == 0
    printed = capsys.readouterr().out
    assert (
        "pass     memory       rms_norm_backward one float32: every access" in printed
    )
    assert "1 kernel, 4 clauses" in printed
    clauses = json.loads(file.read_text())["clauses"]
    assert {c["status"] for c in clauses} == {"pass"}
    assert {c["clause"] for c in clauses} == {"memory", "precision"}


def test_a_broken_contract_is_exit_code_1(monkeypatch, capsys):
    forward, _ = TERMS.programs

    def kernel(x, weight):
        return forward.kernel(x, weight) + 1.0

    terms = dataclasses.replace(
        TERMS, programs=(dataclasses.replace(forward, kernel=kernel),), edges=()
    )
    monkeypatch.setattr(_collection, "contracts", lambda: (Contract(terms),))
    asked = ["kernels", "check", "rms_norm", *SAMPLE, "--clause", "meaning"]
    asked += ["--jobs", "1"]  # another process has contracts of its own
    assert main(asked) == 1
    assert "fail     meaning      rms_norm one float32: " in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["check", "rms_nor"], "there are: rms_norm"),
        (["check", "rms_norm", "--shape", "round"], "it has one, ragged"),
        (["check", "rms_norm", "--dtype", "float64"], "it has float32, bfloat16"),
        (["explain", "softplus"], "there are:"),
        (["check", "--sample", "--shape", "one"], "chooses the shape"),
        (["check", "--device", "gpu"], "JAX finds no gpu here"),
        (["check", "--jobs", "0"], "0 is not 1 or more"),
        (["sanitize"], "no compute-sanitizer here"),
        (["sanitize", "--tool", "memory"], "invalid choice"),
    ],
)
def test_bad_usage(words, message, capsys):
    assert main(["kernels", *words]) == 2
    assert message in capsys.readouterr().err


def test_ctrl_c_keeps_what_was_decided(tmp_path, monkeypatch, capsys):
    """It comes while the second of four clauses is decided."""
    file, decided = tmp_path / "kernels.json", []
    answer = Contract.answer

    def interrupted(self, question, device=None):
        decided.append(question)
        if len(decided) == 2:
            signal.raise_signal(signal.SIGINT)
        return answer(self, question, device)

    monkeypatch.setattr(Contract, "answer", interrupted)
    asked = ["kernels", "check", "rms_norm", *SAMPLE, "--clause", "memory", "precision"]
    before = signal.getsignal(signal.SIGINT)
    assert main([*asked, "--jobs", "1", "--json", str(file)]) == 3
    assert signal.getsignal(signal.SIGINT) is before
    printed = capsys.readouterr().out
    assert "1 kernel, 2 clauses" in printed
    assert "interrupted: 2 more were not decided" in printed
    written = json.loads(file.read_text())
    statuses = [clause["status"] for clause in written["clauses"]]
    assert written["interrupted"] and len(decided) == 2
    assert statuses == ["pass", "pass", "not run", "not run"]


@pytest.mark.parametrize("jobs", ["1", "2"])
def test_a_sample_is_one_shape_in_two_dtypes(jobs, capsys):
    asked = ["kernels", "check", "rms_norm", "softmax", "--sample", "--jobs", jobs]
    assert main([*asked, "--clause", "memory"]) == 0
    printed = capsys.readouterr().out
    assert "2 kernels, 8 clauses" in printed
    places = "rms_norm ragged float32", "rms_norm ragged bfloat16", "softmax "
    assert 0 < printed.index(places[0]) < printed.index(places[1])
    assert printed.index(places[1]) < printed.index(places[2])


@pytest.mark.parametrize("code", [0, 1])
def test_sanitize_runs_each_tool_and_ends_as_it_does(
    code, monkeypatch, tmp_path, capsys
):
    """With a sanitizer that says what it was asked, on a machine that has one."""
    fake = tmp_path / _sanitize.SANITIZER
    fake.write_text(f'#!/bin/sh\necho "asked: $@"\nexit {code}\n')
    fake.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    gpu = contextlib.nullcontext(jax.devices()[0])
    monkeypatch.setattr(_sanitize, "on_device", lambda name: gpu)
    asked = ["kernels", "sanitize", "rope", "--tool", "memcheck", "racecheck"]
    assert main(asked) == code
    printed = capsys.readouterr().out
    says = "complains" if code else "no complaint"
    assert f"memcheck: {says}" in printed and f"racecheck: {says}" in printed
    if code:
        assert "--tool racecheck --error-exitcode 1" in printed
        assert "kernels check rope --sample" in printed
