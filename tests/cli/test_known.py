"""`torchlean verify robustness` and `crown-ops`: known answers, and wrong ones."""

import dataclasses
import itertools
import json

import jax
import numpy as np
import pytest

from torchlean_jax.cli import _known, main


def test_robustness(capsys, tmp_path):
    path = tmp_path / "out.json"
    assert main(["verify", "robustness", "--json", str(path)]) == 0
    margin, proved, refuted = json.loads(path.read_text())["rows"]
    assert margin["exact"] == [3.6, 4.4]
    assert margin["computed"] == pytest.approx([3.6, 4.4], abs=_known.ROUNDING)
    assert (proved["computed"], proved["checked"]) == ("proved", True)
    assert 3.6 - _known.ROUNDING <= proved["margin"] <= 3.6
    assert refuted["computed"] == "refuted" and refuted["margin"] <= 0
    assert "[3.6, 4.4]" in capsys.readouterr().out


@pytest.mark.parametrize("method", ["ibp", "crown"])
def test_crown_ops(method, tmp_path):
    path = tmp_path / "out.json"
    assert main(["verify", "crown-ops", "--method", method, "--json", str(path)]) == 0
    rows = json.loads(path.read_text())["rows"]
    assert len(rows) == len(_known.OPERATIONS)
    assert {row["status"] for row in rows} == {"ok"}


@pytest.mark.parametrize("graph", [_known.margin, *_known.OPERATIONS])
def test_the_exact_ranges_are_those_of_the_functions(graph):
    """On a fine grid of the box every value lies inside, and both ends are reached."""
    graph = graph()
    lo, hi = np.atleast_1d(graph.box.lo), np.atleast_1d(graph.box.hi)
    axes = [np.linspace(a, b, 13) for a, b in zip(lo, hi, strict=True)]
    points = np.array(list(itertools.product(*axes)), np.float32)
    values = jax.vmap(graph.function)(points.reshape(-1, *graph.box.shape))
    # float32 values of sums of at most 4 products below 16, each off by 2**-20 at most
    assert values.min() == pytest.approx(graph.exact[0], abs=_known.ROUNDING)
    assert values.max() == pytest.approx(graph.exact[1], abs=_known.ROUNDING)
    assert graph.crown[0] <= graph.exact[0] and graph.exact[1] <= graph.crown[1]


def test_wrong_and_loose_bounds_are_noticed():
    graph = _known.absolute()
    good = _known.bounds_row(graph, "crown")
    assert good["status"] == "ok"
    for exact in ((-0.1, 2.0), (0.0, 2.1)):
        wrong = _known.bounds_row(dataclasses.replace(graph, exact=exact), "crown")
        assert wrong["status"].startswith("WRONG")
    for crown in ((0.1, 2.0), (0.0, 1.9)):
        loose = _known.bounds_row(dataclasses.replace(graph, crown=crown), "crown")
        assert loose["status"].startswith("LOOSE")
    assert _known.bounds_row(graph, "ibp")["within"] is None


def test_a_wrong_answer_sets_the_exit_code(monkeypatch, capsys):
    def shifted():
        return dataclasses.replace(_known.absolute(), exact=(-1.0, 2.0))

    monkeypatch.setattr(_known, "OPERATIONS", (shifted,))
    assert main(["verify", "crown-ops"]) == 1
    assert "WRONG" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("statuses", "code"),
    [
        (["ok", "ok"], 0),
        (["ok", "unknown"], 3),
        (["WRONG: expected proved", "unknown"], 1),
        (["REJECTED by the checker"], 1),
    ],
)
def test_exit_codes(statuses, code):
    assert _known.exit_code(statuses) == code
