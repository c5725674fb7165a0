"""`torchlean verify vnnlib`: its last line, exit code, and the files it leaves."""

import errno
import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from fractions import Fraction
from pathlib import Path

import jax
import numpy as np
import onnx
import onnx.parser
import pytest

import torchlean_check
from tests.published import published
from tests.vnnlib.evaluator import expressions, satisfied
from tests.vnnlib.files import boxed, declared
from torchlean_jax.cli import _deadline, main
from torchlean_jax.vnnlib import read_vnnlib

NETWORK = """<ir_version: 8, opset_import: ["" : 18]>
net (float[1, 2] x) => (float[1, 2] y)
<float[2, 2] w = {2.0, -1.0, 0.5, 1.5}> { a = MatMul(x, w)  y = Relu(a) }"""
# y = relu(2 x0 + x1 / 2), relu(-x0 + 3 x1 / 2)


@pytest.fixture
def files(tmp_path):
    network = tmp_path / "net.onnx"
    onnx.save(onnx.parser.parse_model(NETWORK), network)

    def write(unsafe):
        path = tmp_path / "property.vnnlib"
        text = declared(2, 2) + boxed(["1.4", "0.4"], ["1.6", "0.6"])
        path.write_text(f"{text}(assert {unsafe})")
        return str(network), str(path)

    return write


def last_line(capsys):
    return capsys.readouterr().out.strip().splitlines()[-1]


def test_a_property_that_holds(files, tmp_path, capsys):
    """y0 is at least 2.8 + 0.2 = 3.0, y1 at most -1.4 + 0.9 = -0.5, hence 0."""
    arguments = files("(<= Y_0 Y_1)")
    proof, results = tmp_path / "proof.tlc", tmp_path / "out.json"
    options = ["--certificate", str(proof), "--json", str(results), "--timeout", "300"]
    assert main(["verify", "vnnlib", *arguments, *options]) == 0
    assert last_line(capsys) == "unsat"
    assert torchlean_check.check(str(proof)).accepted
    found = json.loads(results.read_text())
    assert (found["status"], found["semantics"]) == ("unsat", "real")


def test_cuts_of_others_and_other_processes(files, tmp_path, capsys):
    """Bounds of the whole box would do: four parts show that the cuts were made."""
    hints, results = tmp_path / "cuts.json", tmp_path / "out.json"
    decisions = [[0, side, 1.5] for side in ("<=", ">=")]
    second = [[1, side, 0.5] for side in ("<=", ">=")]
    leaves = [[a, b] for a in decisions for b in second]
    hints.write_text(
        json.dumps({"format": "torchlean hints, version 1", "leaves": leaves})
    )
    arguments = [*files("(<= Y_0 Y_1)"), "--hints", str(hints), "--jobs", "2"]
    command = [sys.executable, "-m", "torchlean_jax.cli", "verify", "vnnlib"]
    timed = ["--timeout", "120", "--json", str(results)]
    # on its own: functions whose annotations are checked, as here, cannot be pickled
    done = subprocess.run(
        [*command, *arguments, *timed], check=False, capture_output=True, text=True
    )
    assert done.stdout.endswith("\nunsat\n"), done.stderr
    assert json.loads(results.read_text())["parts"] == 4
    assert main(["verify", "vnnlib", *arguments]) == 2
    assert "a search, which has a timeout" in capsys.readouterr().err


def test_a_property_that_fails(files, tmp_path, capsys):
    """y0 reaches 3.2 + 0.3 = 3.5."""
    network, path = files("(>= Y_0 3.4)")
    example = tmp_path / "example.txt"
    assert (
        main(["verify", "vnnlib", network, path, "--counterexample", str(example)]) == 1
    )
    assert last_line(capsys) == "sat"
    assert example.read_text().startswith("sat\n((X_0 ")
    (pairs,), text = expressions(example.read_text()[4:]), Path(path).read_text()
    names, values = zip(*pairs, strict=True)
    assert names == ("X_0", "X_1", "Y_0", "Y_1")
    # what is written is the input itself; of the outputs, the nearest floats
    x = [Fraction(v) for v in values[:2]]
    exact = [max(0, 2 * x[0] + x[1] / 2), max(0, -x[0] + 3 * x[1] / 2)]
    assert satisfied(text, x, exact)
    assert np.allclose([float(v) for v in values[2:]], [float(y) for y in exact])


def test_a_full_disk_leaves_no_part_of_a_certificate(
    files, tmp_path, monkeypatch, capsys
):
    """... nor the verdict that would have had it; an older one stays as it was."""
    proof = tmp_path / "proof.tlc"
    proof.write_bytes(b"older")

    def full(path, data):
        path.open("wb").close()
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), os.fspath(path))

    monkeypatch.setattr(Path, "write_bytes", full)
    options = ["--certificate", str(proof), "--timeout", "300"]
    assert main(["verify", "vnnlib", *files("(<= Y_0 Y_1)"), *options]) == 2
    said = capsys.readouterr()
    assert "No space left" in said.err and "Traceback" not in said.err
    assert not said.out.endswith("unsat\n")
    assert proof.read_bytes() == b"older"
    assert not [path for path in tmp_path.iterdir() if path.name.startswith(".")]


@pytest.mark.parametrize(
    "name, semantics, expected",
    [
        ("false_cert_B", "real", "sat"),
        ("false_cert_A_f32run", "real", "unsat"),
        ("false_cert_A_f32run", "fp32", "sat"),
    ],
)
def test_what_other_tools_answer_wrongly(name, semantics, expected, capsys):
    """As the README beside these networks says: that of B holds nowhere, that of A over
    the reals alone."""
    path = published(f"soundness_counterexamples/{name}.onnx")
    files = str(path), str(path.with_suffix(".vnnlib"))
    code = main(["verify", "vnnlib", *files, "--semantics", semantics])
    assert last_line(capsys) == expected and code == (expected == "sat")


def test_onnxruntime_is_asked_about_a_counterexample(files, tmp_path, capsys):
    results = tmp_path / "out.json"
    arguments = files("(>= Y_0 3.4)")
    assert main(["verify", "vnnlib", *arguments, "--json", str(results)]) == 1
    assert "onnxruntime agrees" in capsys.readouterr().out
    assert json.loads(results.read_text())["onnxruntime"]["unsafe"] is True


def test_without_onnxruntime_it_says_so(files, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    assert main(["verify", "vnnlib", *files("(>= Y_0 3.4)")]) == 1
    assert "onnxruntime is not installed" in capsys.readouterr().out


def test_what_onnxruntime_cannot_run_is_sat_all_the_same(files, capsys):
    network, path = files("(>= Y_0 3.4)")
    file = onnx.load(network)
    file.ir_version = 99
    onnx.save(file, network)
    assert main(["verify", "vnnlib", network, path]) == 1
    said = capsys.readouterr().out
    assert "onnxruntime cannot run the network" in said and said.endswith("sat\n")


def test_the_device_is_that_of_the_thread_that_computes(files, monkeypatch):
    """`jax.default_device` would be that of the thread that parsed the options."""
    seen = []
    monkeypatch.setattr(
        "torchlean_jax.vnnlib.read_vnnlib",
        lambda path: seen.append(jax.config.jax_default_device) or read_vnnlib(path),
    )
    options = ["--device", "cpu", "--timeout", "300"]
    assert main(["verify", "vnnlib", *files("(<= Y_0 Y_1)"), *options]) == 0
    assert seen == [jax.devices("cpu")[0]]


def test_a_property_that_stays_open(files, capsys):
    """Nothing is both below 3.000001 and above 3.4999, which one bound at a time, of
    an output that spans [3, 3.5], does not show."""
    arguments = files("(and (<= Y_0 3.000001) (>= Y_0 3.4999))")
    assert main(["verify", "vnnlib", *arguments, "--method", "ibp"]) == 3
    assert last_line(capsys) == "unknown"


def test_a_vacuous_property_is_pointed_out(files, capsys):
    assert main(["verify", "vnnlib", *files("(and (<= X_0 0) (<= Y_0 0))")]) == 0
    said = capsys.readouterr().out
    assert "the property holds for want of inputs" in said and said.endswith("unsat\n")


@pytest.mark.parametrize(
    ("change", "match"),
    [
        ({"unsafe": "(<= Y_7 0)"}, r"property\.vnnlib: line \d+: Y_7 is not declared"),
        ({"network": "absent.onnx"}, r"absent\.onnx: No such file"),
        ({"options": ["--timeout", "0"]}, "0 is not more than 0"),
        ({"options": ["--certificate", "nowhere/p.tlc"]}, "no folder"),
    ],
)
def test_bad_input_is_one_line_and_exit_code_2(change, match, files, capsys):
    network, path = files(change.get("unsafe", "(<= Y_0 0)"))
    network = change.get("network", network)
    options = change.get("options", [])
    assert main(["verify", "vnnlib", network, path, *options]) == 2
    captured = capsys.readouterr()
    assert len(captured.err.strip().splitlines()) == 1 and not captured.out
    assert re.search(match, captured.err)


def outside(network):
    """The weights in a file beyond the folder of the network."""
    (network.parent.parent / "secret.bin").write_bytes(bytes(16))
    file = onnx.load(network)
    weights = file.graph.initializer[0]
    del weights.float_data[:]
    weights.ClearField("raw_data")
    weights.data_location = onnx.TensorProto.EXTERNAL
    weights.external_data.add(key="location", value="../secret.bin")
    network.write_bytes(file.SerializeToString())


def opset(network):
    file = onnx.load(network)
    file.opset_import[0].version = 1000
    network.write_bytes(file.SerializeToString())


def parsed(body):
    head = (
        '<ir_version: 8, opset_import: ["" : 18]> net (float[1, 2] x) => (float[N] y)'
    )
    return lambda path: onnx.save(onnx.parser.parse_model(f"{head} {body}"), path)


def cut(path):
    path.write_bytes(path.read_bytes()[:-8])


def replaced(old, new):
    def change(path):
        text = path.read_text()
        assert old in text
        path.write_text(text.replace(old, new))

    return change


HUGE = "<int64[2] s = {100000000, 1000}> { a = ConstantOfShape(s) y = Add(a, x) }"
HOSTILE = {
    "net.onnx": [
        (cut, "not an ONNX file"),
        (outside, "no file in the folder"),
        (opset, "operator set"),
        (parsed("{ y = Add(x, z)  z = Neg(y) }"), "wait for each other"),
        (parsed(HUGE), "elements, more than"),
    ],
    "property.vnnlib": [
        (cut, "this bracket is never closed"),
        (replaced("(<= Y_0 0)", "(<= (* X_0 Y_0) 0)"), "a product of two variables"),
        (replaced("(>= X_0", "(<= X_0"), "without a lower bound: X_0"),
    ],
}


@pytest.mark.parametrize(
    ("name", "change", "match"),
    [(name, *case) for name, cases in HOSTILE.items() for case in cases],
)
def test_hostile_files_are_one_line_and_leave_nothing(
    name, change, match, files, tmp_path, capsys
):
    network, path = files("(<= Y_0 0)")
    change(tmp_path / name)
    before = sorted(tmp_path.iterdir())
    wanted = {"--certificate": "p.tlc", "--counterexample": "c.txt"}
    wanted |= {"--resume": "search.npz", "--json": "out.json"}
    options = [x for o, n in wanted.items() for x in (o, str(tmp_path / n))]
    assert main(["verify", "vnnlib", network, path, "--timeout", "9", *options]) == 2
    captured = capsys.readouterr()
    assert len(captured.err.strip().splitlines()) == 1 and not captured.out
    assert name in captured.err and re.search(match, captured.err)
    assert sorted(tmp_path.iterdir()) == before


def test_what_takes_too_long_is_left_alone(monkeypatch):
    left = []
    monkeypatch.setattr(_deadline.atexit, "register", lambda *f: left.append(f))
    release = threading.Event()
    start = time.perf_counter()
    assert _deadline.within(0.05, release.wait) == (False, None)
    assert time.perf_counter() - start < 10 and left == [(_deadline._leave, 3)]
    release.set()
    assert _deadline.within(60, lambda: 7) == (True, 7)
    assert _deadline.within(None, lambda: 8) == (True, 8)
    with pytest.raises(ValueError, match="from inside"):
        _deadline.within(60, _fails)


def _fails():
    raise ValueError("from inside")


def test_a_timeout_ends_the_process(files):
    command = [sys.executable, "-m", "torchlean_jax.cli", "verify", "vnnlib"]
    command += [*files("(<= Y_0 Y_1)"), "--timeout", "0.01"]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (3, "timeout\n")


HARD = """<ir_version: 8, opset_import: ["" : 18]>
net (float[1, 2] x) => (float[1, 1] y)
<float[2, 6] w = {1, -1, 1, -1, 1, -1, 1, -1, -1, 1, 0, 0},
 float[6, 1] v = {1, 1, 1, 1, -2, -2}>
{ a = MatMul(x, w)  b = Relu(a)  y = MatMul(b, v) }"""
# y = |x0 + x1| + |x0 - x1| - 2 |x0| = 2 max(|x0|, |x1|) - 2 |x0|, which is at least 0


@pytest.fixture
def hard(tmp_path):
    network = tmp_path / "hard.onnx"
    onnx.save(onnx.parser.parse_model(HARD), network)

    def write(unsafe):
        path = tmp_path / "hard.vnnlib"
        text = declared(2, 1) + boxed(["-1.0", "-1.0"], ["1.0", "1.0"])
        path.write_text(f"{text}(assert {unsafe})")
        return str(network), str(path)

    return write


def test_a_time_limit_decides_by_parts(hard, tmp_path, capsys):
    """One pass of bounds cannot know that two magnitudes make up for the third."""
    arguments = hard("(<= Y_0 -0.1)")
    assert main(["verify", "vnnlib", *arguments, "--method", "crown"]) == 3
    proof, results = tmp_path / "proof.tlc", tmp_path / "out.json"
    options = ["--timeout", "120", "--certificate", str(proof), "--json", str(results)]
    assert main(["verify", "vnnlib", *arguments, *options]) == 0
    assert last_line(capsys) == "unsat"
    found = json.loads(results.read_text())
    assert found["parts"] > 1 and found["proved_share"] == [1.0]
    report = torchlean_check.check(str(proof))
    assert report.accepted and report.leaves == (found["parts"] + 1) // 2


def test_what_was_proved_is_said_at_a_timeout(hard, tmp_path, capsys, monkeypatch):
    """The time is over in the middle of a computation, which has no answer yet."""
    monkeypatch.setattr(
        _deadline, "within", lambda seconds, work: (work() is None, None)
    )
    proof, results = tmp_path / "proof.tlc", tmp_path / "out.json"
    options = ["--timeout", "120", "--certificate", str(proof), "--json", str(results)]
    assert main(["verify", "vnnlib", *hard("(<= Y_0 -0.1)"), *options]) == 3
    *_, said, last = capsys.readouterr().out.strip().splitlines()
    assert last == "timeout"
    assert re.match(r"the search that ran last: \d+ parts bounded, ", said)
    found = json.loads(results.read_text())
    assert found["status"] == "timeout" and found["last_search"]["parts"] > 1
    assert 0 < found["last_search"]["proved_share"] <= 1
    assert [path.name for path in tmp_path.iterdir() if "proof" in path.name] == []


def test_the_edge_is_found_by_parts(hard, capsys):
    """y is 0 where |x1| <= |x0|: a tie."""
    assert main(["verify", "vnnlib", *hard("(<= Y_0 0.0)"), "--timeout", "120"]) == 1
    assert last_line(capsys) == "sat"


SLOW = """<ir_version: 8, opset_import: ["" : 18]>
net (float[1, 2] x) => (float[1, 1] y)
<float[2, 1] u = {1, 0}, float[2, 1] v = {0, 1}, float[2, 1] w = {1, 1}>
{ p = MatMul(x, u)  q = MatMul(x, v)  s = Mul(x, x)  t = MatMul(s, w)
  r = Mul(p, q)  d = Sub(t, r)  y = Sub(d, r) }"""
# y = x0 x0 + x1 x1 - 2 x0 x1, a square of which no bounds know


def test_an_interruption_is_unknown_and_the_search_goes_on(hard, tmp_path):
    """Next to x0 = x1 a part has to be shorter than 1e-6 to be proved."""
    results, kept = tmp_path / "out.json", tmp_path / "search.npz"
    command = [sys.executable, "-m", "torchlean_jax.cli", "verify", "vnnlib"]
    given = hard("(<= Y_0 -0.000000000001)")
    onnx.save(onnx.parser.parse_model(SLOW), given[0])
    command += [*given, "--timeout", "300", "--progress"]
    command += ["--json", str(results), "--resume", str(kept)]
    shares = []
    for number in (signal.SIGINT, signal.SIGTERM):
        process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        for _ in range(3):  # a second or so, in which some parts are proved
            assert "parts bounded" in process.stderr.readline()
        process.send_signal(number)
        said, complaints = process.communicate(timeout=120)
        assert (process.returncode, said.splitlines()[-1]) == (3, "unknown")
        assert "interruption" in said and "Traceback" not in complaints
        shares += json.loads(results.read_text())["proved_share"]
    assert 0 < shares[0] < shares[1] < 1
    names = {p.name for p in tmp_path.iterdir()}
    assert names == {"hard.onnx", "hard.vnnlib", "out.json", "search.npz"}


def test_the_answer_may_be_about_executions(files, tmp_path, capsys):
    results, options = tmp_path / "out.json", ["--semantics", "fp32"]
    options += ["--json", str(results)]
    assert main(["verify", "vnnlib", *files("(<= Y_0 Y_1)"), *options]) == 0
    assert json.loads(results.read_text())["semantics"] == "fp32"
    assert main(["verify", "vnnlib", *files("(>= Y_0 3.4)"), *options]) == 1
    said = capsys.readouterr().out
    assert "confirmed by an execution" in said and "over the reals" not in said
