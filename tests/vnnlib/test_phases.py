"""Cases of many varying inputs, decided by phases; and how cases share time.

The network is a line of ONNX, whose truth is derived by hand.
"""

import time
from types import SimpleNamespace

import onnx.parser
import pytest

import torchlean_jax as tl
from tests.vnnlib.files import boxed, declared
from torchlean_jax.search import Attack
from torchlean_jax.vnnlib import _decide, decide, read_vnnlib

QUICK = Attack(restarts=4, steps=8)
N = 52  # inputs; u is the mean of the first half of them, v of the second
LO, HI = ["-1"] * N, ["1"] * N


def network(columns, mixed, bend="Relu"):
    """bend(columns of u and v) @ mixed: a float32 network whose weights are powers of
    two times 26 of them, all exact."""
    rows = [[c[half] / 32 for c in columns] for half in (0, 1) for _ in range(N // 2)]
    flat = ", ".join(str(v) for row in rows for v in row)
    back = ", ".join(str(v) for row in mixed for v in row)
    text = f"""<ir_version: 8, opset_import: ["" : 18]>
    small (float[1, {N}] x) => (float[1, {len(mixed[0])}] y)
    <float[{N}, {len(columns)}] w = {{{flat}}},
     float[{len(mixed)}, {len(mixed[0])}] v = {{{back}}}>
    {{ a = MatMul(x, w)  b = {bend}(a)  y = MatMul(b, v) }}"""
    return tl.from_onnx(onnx.parser.parse_model(text))


# |u + v| + |u - v| - 2 |u| = 2 max(|u|, |v|) - 2 |u| >= 0, u and v in [-13/16, 13/16]
MAGNITUDES = (
    [(1, 1), (-1, -1), (1, -1), (-1, 1), (1, 0), (-1, 0)],
    [
        *[[1.0]] * 4,
        *[[-2.0]] * 2,
    ],
)
# relu(u), relu(-u): one of them is 0
SIDES = [(1, 0), (-1, 0)], [[1.0, 0.0], [0.0, 1.0]]


@pytest.fixture
def query(tmp_path):
    def read(unsafe, outputs=1):
        path = tmp_path / "property.vnnlib"
        text = declared(N, outputs) + boxed(LO, HI)
        path.write_text(f"{text}(assert {unsafe})")
        return read_vnnlib(path)

    return read


def test_what_bounds_leave_open_is_decided_by_phases(query):
    """... by one program for two networks of a shape."""
    seen = []
    for scale in (1, 2):
        net = network(MAGNITUDES[0], [[scale * a for a in r] for r in MAGNITUDES[1]])
        asked = query("(<= Y_0 -0.1)")
        assert decide(*net, asked, attack=QUICK).status == "unknown"
        began = time.process_time()
        answer = decide(
            *net, asked, attack=QUICK, timeout=300, certificate=False, watch=seen.append
        )
        seen.append(time.process_time() - began)
        assert answer.status == "unsat" and answer.verdicts[0].parts > 1
        assert "cells" in answer.tried
    assert seen[0].options.cut == "phases"
    compiled, again = (s for s in seen if isinstance(s, float))
    assert again < compiled / 2


def test_what_is_no_relu_is_decided_by_cuts_too(query):
    """tanh(4 u) + tanh(-4 u) = 0, which lines around both do not say."""
    net = network([(4, 0), (-4, 0)], [[1.0], [1.0]], "Tanh")
    asked, given = query("(>= Y_0 0.5)"), {"attack": QUICK, "certificate": False}
    assert decide(*net, asked, **given).status == "unknown"
    answer = decide(*net, asked, timeout=300, **given)
    assert answer.status == "unsat" and answer.verdicts[0].parts > 1
    assert "cells" in answer.tried


def test_the_edge_is_never_unsat(query):
    """y is 0 where |v| <= |u|, a tie; there may be no time to find it."""
    for timeout in (1e-6, 20.0):
        answer = decide(*network(*MAGNITUDES), query("(<= Y_0 0)"), timeout=timeout)
        assert answer.status in ("sat", "unknown")


def test_a_disjunction_of_outputs_is_decided_phase_by_phase(query):
    """relu(u) and relu(-u) are not both above 1/4, though each is somewhere:
    as bounds on the whole do not know."""
    net, both = network(*SIDES), "(and (>= Y_0 {}) (>= Y_1 {}))"
    given = {"attack": QUICK, "timeout": 300.0, "certificate": False}
    answer = decide(*net, query(both.format(0.25, 0.25), 2), **given)
    assert answer.status == "unsat" and answer.verdicts[0].parts > 1
    # 3/4 and -1/4 can be
    answer = decide(*net, query(both.format(0.75, -0.25), 2), **given)
    assert answer.status == "sat"


def test_without_phases_only_bounds_are_tried(query):
    text = f"""<ir_version: 8, opset_import: ["" : 18]>
    small (float[1, {N}] x) => (float[1, 1] y)
    {{ a = Sin(x)  y = ReduceMean <axes = [1], keepdims = 1> (a) }}"""
    net = tl.from_onnx(onnx.parser.parse_model(text.replace(": 18", ": 13")))
    # it reaches sin 1, if nobody looks for that
    answer = decide(*net, query("(>= Y_0 0.8)"), timeout=60, attack=False)
    assert answer.status == "unknown" and "cells" not in answer.tried


def turns(needs, seconds, monkeypatch, is_kept=False):
    """Statuses of cases that need so much time each, and the time it took, of a clock
    that nothing but the cases moves."""
    clock = [100.0]
    calls = iter(range(100))

    def case_decided(problem, need, course, until, number):
        next(calls)
        left = until - clock[0]
        clock[0] += max(min(need, left + 1e-3), 0)
        return _decide.Answer(status="unsat" if need <= left else "unknown")

    monkeypatch.setattr(_decide, "_decide_case", case_decided)
    monkeypatch.setattr(_decide, "time", SimpleNamespace(perf_counter=lambda: clock[0]))
    course = SimpleNamespace(until=clock[0] + seconds, is_kept=lambda number: is_kept)
    answers = _decide._by_turns(None, needs, course)
    return [answers[k].status for k in range(len(needs))], clock[0] - 100.0


def test_searches_that_could_go_on_end_with_the_time(monkeypatch):
    found, took = turns([9.0, 9.0], 0.2, monkeypatch, is_kept=True)
    assert found == ["unknown"] * 2 and took < 0.21


def test_each_case_has_its_share_of_the_time(monkeypatch):
    # the first has a quarter at first; the others leave it the rest
    found, _ = turns([0.4, 0, 0, 0], 1.0, monkeypatch)
    assert found == ["unsat"] * 4
    found, took = turns([9.0, 0.2], 1.0, monkeypatch)
    assert found == ["unknown", "unsat"] and took < 1.1
