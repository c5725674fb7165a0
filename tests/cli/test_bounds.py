"""`torchlean bounds`: a user's functions, boxes in decimal, errors in one line."""

import json
from fractions import Fraction

import numpy as np
import pytest

from torchlean_jax.cli import _given, main

SOURCE = """
import jax.numpy as jnp
from neighbour import SCALE

def double(x):
    return SCALE * x

def tree(x):
    return {"sum": x.sum(), "square": x * x}

def fails(x):
    raise ValueError("not today\\nnor tomorrow")

class Box:
    @staticmethod
    def identity(x):
        return x

def sorts(x):
    return jnp.linalg.eigh(x)[0]
"""


@pytest.fixture
def module(tmp_path):
    (tmp_path / "neighbour.py").write_text("SCALE = 2.0\n")
    (tmp_path / "model.py").write_text(SOURCE)
    return tmp_path / "model.py"


def results(tmp_path, *arguments):
    path = tmp_path / "out.json"
    assert main(["bounds", *arguments, "--json", str(path)]) == 0
    return json.loads(path.read_text())


def test_bounds_contain_the_range_and_print_outward(module, tmp_path, capsys):
    found = results(tmp_path, f"{module}:double", "--lo", "-1,0.1", "--hi", "1,0.7")
    (output,) = found["outputs"]
    exact = [(Fraction(-2), Fraction(2)), (Fraction("0.2"), Fraction("1.4"))]
    printed = [
        line.split("  ")[-1] for line in capsys.readouterr().out.splitlines()[1:]
    ]
    for (low, high), lo, hi, line in zip(
        exact, output["lo"], output["hi"], printed, strict=True
    ):
        assert low - Fraction(1, 10**6) < lo <= low and high <= hi
        shown = [Fraction(text) for text in line.strip("[]").split(", ")]
        assert shown[0] <= lo and hi <= shown[1]


@pytest.mark.parametrize("dtype", ["bfloat16", "float16", "float32", "float64"])
@pytest.mark.parametrize(
    "arguments", [("--lo=0.1", "--hi=0.7"), ("--center=0.4", "--radius=0.3")]
)
def test_the_box_holds_the_decimals_that_were_typed(module, tmp_path, dtype, arguments):
    """Neither 0.1 nor 0.7 is a binary number; rounding to nearest loses some."""
    name = f"{module}:Box.identity"
    box = results(tmp_path, name, *arguments, "--dtype", dtype)["input"]
    assert Fraction(box["lo"]) < Fraction("0.1") and Fraction("0.7") < Fraction(
        box["hi"]
    )
    assert box["hi"] - box["lo"] == pytest.approx(0.6, rel=2**-6)


@pytest.mark.parametrize("norm", ["1", "2"])
def test_a_ball_holds_the_decimals_that_were_typed(module, tmp_path, norm):
    """0.1 is no float32: the ball around the nearest one is larger by the distance."""
    name = f"{module}:double"
    arguments = "--center", "0.1,0.7", "--radius", "0.25", "--norm", norm
    found = results(tmp_path, name, *arguments)
    ball, (output,) = found["input"], found["outputs"]
    assert ball["norm"] == int(norm)
    off = [
        Fraction(c) - Fraction(typed)
        for c, typed in zip(ball["center"], ("0.1", "0.7"), strict=True)
    ]
    room = Fraction(ball["radius"]) - Fraction("0.25")
    assert all(off) and room > 0  # rounding happened
    assert (
        sum(map(abs, off)) <= room
        if norm == "1"
        else sum(d * d for d in off) <= room**2
    )
    assert output["lo"][0] == pytest.approx(2 * (0.1 - 0.25), rel=1e-5)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("--lo", "0", "--hi", "1", "--norm", "2"), "--center and --radius"),
        (("--center", "0", "--radius", "1,2", "--norm", "1"), "one number"),
        (("--center", "0", "--radius", "-1", "--norm", "1"), "one number"),
        (("--center", "1e39", "--radius", "1", "--norm", "2"), "too large"),
        (("--center", "0,1", "--radius", "1", "--norm", "2", "--shape", "3"), "fit"),
    ],
)
def test_bad_balls_are_refused(module, arguments, says, capsys):
    assert main(["bounds", f"{module}:double", *arguments]) == 2
    assert says in capsys.readouterr().err


def test_rounding_to_nearest_would_be_noticed():
    nearest = [float(np.float32(x)) for x in (0.1, 0.7)]
    assert Fraction(nearest[0]) > Fraction("0.1") and Fraction(nearest[1]) < Fraction(
        "0.7"
    )


def test_pytrees_arrays_and_files(module, tmp_path):
    np.save(tmp_path / "lo.npy", np.zeros((2, 2)))
    box = ("--lo", str(tmp_path / "lo.npy"), "--hi", "[[1, 2], [3, 4.5]]")
    outputs = results(tmp_path, f"{module}:tree", *box, "--method", "ibp")["outputs"]
    assert [o["output"] for o in outputs] == ["['square']", "['sum']"]
    assert outputs[0]["shape"] == [2, 2]
    assert outputs[1]["hi"] == pytest.approx(10.5)


def test_a_scalar_fills_the_shape(module, tmp_path):
    found = results(
        tmp_path, f"{module}:double", "--lo", "-1", "--hi", "1", "--shape", "2,3"
    )
    assert np.shape(found["input"]["lo"]) == (2, 3)


UNIT = ("--lo", "0", "--hi", "1")


@pytest.mark.parametrize(
    ("name", "arguments", "message"),
    [
        ("double", (), "got neither"),
        ("double", ("--lo", "0", "--radius", "1"), "got --lo and --radius"),
        ("double", ("--lo", "2", "--hi", "1"), "lo > hi"),
        ("double", ("--lo", "0", "--hi", "NaN"), "--hi NaN"),
        ("double", ("--lo", "0", "--hi", "Infinity"), "--hi Infinity"),
        ("double", ("--lo", "0", "--hi", "1e300"), "finite"),
        ("double", ("--lo", "0", "--hi", "1e999999999"), "beyond"),
        ("double", ("--lo", "zero", "--hi", "1"), "--lo zero"),
        ("double", ("--lo", "[[1],[2,3]]", "--hi", "1"), "--lo"),
        ("double", ("--lo", "0,0", "--hi", "1,1,1"), "do not fit"),
        ("double", ("--lo", "none.npy", "--hi", "1"), "none.npy"),
        ("double", ("--center", "0", "--radius", "-1"), "less than 0"),
        ("double", (*UNIT, "--shape", "a"), "--shape a"),
        ("double", (*UNIT, "--shape", "-2"), "--shape -2"),
        ("absent", UNIT, "absent"),
        ("fails", UNIT, "not today"),
        ("double", (*UNIT, "--method", "magic"), "magic"),
    ],
)
def test_bad_input_is_refused_in_one_line(module, name, arguments, message, capsys):
    assert main(["bounds", f"{module}:{name}", *arguments]) == 2
    err = capsys.readouterr().err
    assert message in err and err.count("\n") == 1 and "Traceback" not in err


def test_a_missing_rule_lists_the_primitives(module, capsys):
    assert main(["bounds", f"{module}:sorts", *UNIT, "--shape", "2,2"]) == 2
    assert "eigh" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("model.py", "not MODULE:FUNCTION"),
        ("nowhere.py:f", "no file"),
        ("no_such_package.module:f", "ModuleNotFoundError"),
    ],
)
def test_a_function_that_cannot_be_imported(name, message, capsys):
    assert main(["bounds", name, *UNIT]) == 2
    assert message in capsys.readouterr().err


def test_a_module_that_exits_does_not_decide_the_exit_code(tmp_path, capsys):
    (tmp_path / "script.py").write_text("import sys\nsys.exit(0)\n")
    assert main(["bounds", f"{tmp_path / 'script.py'}:f", *UNIT]) == 2
    assert "SystemExit" in capsys.readouterr().err


def test_lists_that_start_with_a_minus():
    join = _given.join_negative_numbers
    assert join(["--lo", "-1,0", "--hi", "2"]) == ["--lo=-1,0", "--hi", "2"]
    assert join(["--lo", "-.5", "--seed", "-1"]) == ["--lo=-.5", "--seed", "-1"]
    assert join(["--lo", "--hi", "1"]) == ["--lo", "--hi", "1"]
