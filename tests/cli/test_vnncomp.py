"""The scripts of the competition, run on two instances as it runs them."""

import os
import subprocess
from fractions import Fraction
from pathlib import Path

import onnx
import onnx.parser
import pytest

from tests.cli.test_vnnlib import NETWORK
from tests.vnnlib.evaluator import expressions, satisfied
from tests.vnnlib.files import boxed, declared

SCRIPTS = Path(__file__).parents[2] / "benchmarks" / "vnncomp"


def run(script, *arguments, cwd):
    return subprocess.run(
        [str(SCRIPTS / script), *map(str, arguments)],
        check=False,
        capture_output=True,
        text=True,
        cwd=cwd,
        env={**os.environ, "TMPDIR": str(cwd)},
    )


@pytest.fixture
def instance(tmp_path):
    onnx.save(onnx.parser.parse_model(NETWORK), tmp_path / "net.onnx")
    text = declared(2, 2) + boxed(["1.4", "0.4"], ["1.6", "0.6"])

    def write(unsafe):
        path = tmp_path / "property.vnnlib"
        path.write_text(f"{text}(assert {unsafe})")
        return "v1", "small", tmp_path / "net.onnx", path

    return write


def test_the_tool_is_installed(tmp_path):
    assert run("install_tool.sh", "v1", cwd=tmp_path).returncode == 0
    assert run("install_tool.sh", "v2", cwd=tmp_path).returncode == 1


def test_two_instances(instance, tmp_path):
    """y0 is between 3.0 and 3.5, y1 is 0 (see `test_vnnlib`)."""
    results = tmp_path / "results.txt"
    for unsafe, verdict in (("(<= Y_0 Y_1)", "unsat"), ("(>= Y_0 3.4)", "sat")):
        given = instance(unsafe)
        assert run("prepare_instance.sh", *given, cwd=tmp_path).returncode == 0
        done = run("run_instance.sh", *given, results, 120, cwd=tmp_path)
        assert done.returncode == 0, done.stderr
        word, _, rest = results.read_text().partition("\n")
        assert word == verdict and bool(rest) == (verdict == "sat")
    (pairs,), prop = expressions(rest), given[3].read_text()
    x = [Fraction(value) for name, value in pairs if name.startswith("X")]
    y = [max(0, 2 * x[0] + x[1] / 2), max(0, -x[0] + 3 * x[1] / 2)]
    assert len(x) == 2 and satisfied(prop, x, y)
    left = {p.name for p in tmp_path.iterdir()} - {".ses"}  # onnxruntime's
    assert left == {"net.onnx", "property.vnnlib", "results.txt"}


def test_what_cannot_be_read_is_an_error(instance, tmp_path):
    results = tmp_path / "results.txt"
    version, category, network, prop = instance("(<= Y_7 0)")
    run("run_instance.sh", version, category, network, prop, results, 60, cwd=tmp_path)
    assert results.read_text() == "error\n"
    absent = tmp_path / "absent.onnx"
    given = version, category, absent, prop
    assert run("prepare_instance.sh", *given, cwd=tmp_path).returncode == 1
