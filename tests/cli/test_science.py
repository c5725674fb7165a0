"""`torchlean science`: what it prints and writes, and how it ends."""

import dataclasses
import functools
import json
import math
from fractions import Fraction

import jax.numpy as jnp
import numpy as np
import pytest

import torchlean_check
from torchlean_check._container import canonical_json
from torchlean_jax import box
from torchlean_jax.cli import _science, main
from torchlean_jax.science import (
    EscapeError,
    Spline,
    Stability,
    _control,
    _dynamics,
    _examples,
    _neural_control,
    _solids,
)
from torchlean_jax.science._outcome import Outcome


def test_the_command_offers_what_there_is():
    there = {topic: names for topic, (names, _) in _examples.TOPICS.items()}
    assert there == _science.TOPICS


EXACT = [
    (topic, name)
    for topic in ("spline", "ode", "camera", "visible")
    for name in _science.TOPICS[topic]
    if topic != "ode" or name in _dynamics.CORRIDORS
]


@pytest.mark.parametrize(("topic", "name"), EXACT)
def test_what_is_decided_is_certified(topic, name, tmp_path, capsys):
    files = {kind: tmp_path / f"out.{kind}" for kind in ("json", "png", "cert")}
    asked = ["--json", "json", "--plot", "png", "--certificate", "cert"]
    asked = [files.get(word, word) for word in asked]
    assert main(["science", topic, name, *map(str, asked)]) == 0
    assert capsys.readouterr().out.startswith("proved: ")
    assert json.loads(files["json"].read_text())["status"] == "proved"
    assert files["png"].read_bytes().startswith(b"\x89PNG")
    assert torchlean_check.check(files["cert"]).accepted


CUBE = "".join(
    f"v {x} {y} {z}\n" for z in (-1, 1) for y in (-1, 1) for x in (-1, 1)
) + "f 1 2 4 3\nf 5 6 8 7\nf 1 2 6 5\nf 3 4 8 7\nf 1 3 7 5\nf 2 4 8 6\n"  # fmt: skip


@pytest.mark.parametrize("name", _science.TOPICS["camera"])
def test_a_mesh_is_seen_through_a_lens(name, tmp_path, capsys):
    (tmp_path / "cube.obj").write_text(CUBE)
    files = [tmp_path / f"out.{kind}" for kind in ("json", "png", "cert")]
    asked = ["--distortion", "-0.3:-0.28,0.1,0.01,-1/100:0,0"]
    asked += ["--mesh", str(tmp_path / "cube.obj"), "--json", str(files[0])]
    asked += ["--plot", str(files[1]), "--certificate", str(files[2])]
    assert main(["science", "camera", name, *asked]) == 0
    printed = capsys.readouterr().out
    assert "12 triangles" in printed and "through every lens" in printed
    found = json.loads(files[0].read_text())
    assert 0.8 * found["certified"] <= found["sampled"] <= found["certified"]
    assert files[1].read_bytes().startswith(b"\x89PNG")
    assert torchlean_check.check(files[2]).accepted
    document = json.loads(files[2].read_text())
    assert document["distortion"]["lo"] == ["-3/10", "1/10", "1/100", "-1/100", "0"]


def test_what_a_lens_or_a_mesh_leaves_open_is_said(tmp_path, capsys):
    files = [tmp_path / "near.obj", tmp_path / "out.json", tmp_path / "out.png"]
    files[0].write_text("v 0 0 0\nv 1 0 0\nv 0 0 -4\nf 1 2 3\n")
    asked = ["science", "camera", "pan", "--json", str(files[1]), "--plot"]
    asked.append(str(files[2]))
    for more, said in (
        (["--distortion", "-2,0,0,0,0"], "folds at radius 0.408"),
        (["--mesh", str(files[0])], "corner [0.0, 0.0, -4.0]"),
    ):
        assert main([*asked, *more]) == 3
        printed = capsys.readouterr().out
        assert printed.startswith("unknown: not decided: ") and said in printed
        found = json.loads(files[1].read_text())
        assert found["status"] == "unknown" and found["certified"] is None
        assert files[2].read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("view", "said"),
    [("-1:1,-1:1", "has 12 wholly in front"), ("2:3,2:3", "of 12 others in view")],
)
def test_what_is_in_view_of_every_camera_is_counted(view, said, tmp_path, capsys):
    """The cube from 4 away is within 1 / 2 of the axis; nothing of it is beyond."""
    (tmp_path / "cube.obj").write_text(CUBE)
    files = [tmp_path / "out.json", tmp_path / "out.cert"]
    asked = ["--mesh", str(tmp_path / "cube.obj"), f"--view={view}"]
    asked += ["--json", str(files[0]), "--certificate", str(files[1])]
    assert main(["science", "visible", "pan", *asked]) == 0
    found = json.loads(files[0].read_text())
    assert found["certified"] == found["sampled"] == 12
    report = torchlean_check.check(files[1])
    assert report.accepted and said in capsys.readouterr().out


def test_triangles_that_points_show_on_both_sides_are_not_decided(tmp_path, capsys):
    """A view that cuts the cube: no more is decided than points allow."""
    file = tmp_path / "out.json"
    assert main(["science", "visible", "pan", "--json", str(file)]) == 0
    found = json.loads(file.read_text())
    assert 0 < found["certified"] <= found["sampled"] < found["figures"]["triangles"]
    assert main(["science", "visible", "pan", "--view", "0:1"]) == 2
    assert "two numbers" in capsys.readouterr().err


def test_a_surface_is_surrounded(monkeypatch, tmp_path, capsys):
    """A ball, coarsely; a cell that is not free is not, whoever says so."""
    for name, value in (("_ROUNDS", 6), ("_WRITTEN", 6), ("_SIDE", 8)):
        monkeypatch.setattr(_solids, name, value)
    files = [tmp_path / f"out.{kind}" for kind in ("json", "png", "cert")]
    asked = ["--json", str(files[0]), "--plot", str(files[1]), "--certificate"]
    assert main(["science", "surface", "ball", *asked, str(files[2])]) == 0
    found = json.loads(files[0].read_text())
    assert 0 < found["certified"] <= found["sampled"] < 1
    assert found["figures"]["rays that meet it"] > 0
    assert files[1].read_bytes().startswith(b"\x89PNG")
    assert torchlean_check.check(files[2]).accepted
    document = json.loads(files[2].read_text())
    document["tree"] = document["tree"].replace("o", "f")
    assert not torchlean_check.check(canonical_json(document)).accepted
    said = capsys.readouterr().out
    assert "no point of it in" in said
    assert "which holds less: cells of 4 parts along each side" in said


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (["--distortion", "0,0,0,0"], "five numbers"),
        (["--distortion", "0,0,0,0,0:1:2"], "five numbers"),
        (["--distortion", "0,0,0,0,x"], "'x' is not a finite rational"),
        (["--distortion", "1:0,0,0,0,0"], "lo <= hi"),
        (["--mesh", "nowhere.obj"], "nowhere.obj: No such file"),
    ],
)
def test_a_lens_that_cannot_be_meant_is_bad_usage(more, said, capsys):
    assert main(["science", "camera", "pan", *more]) == 2
    error = capsys.readouterr().err
    assert said in error and error.count("\n") == 1


def test_a_residual_is_bounded_drawn_and_certified(monkeypatch, tmp_path, capsys):
    """Of t x (1 - x) on top of sin(pi x), in the place of a trained network."""
    pinn = _examples.pinn
    problem = pinn.PROBLEMS["heat"]
    u = lambda x: jnp.sin(math.pi * x[1]) + x[0] * x[1] * (1 - x[1])
    monkeypatch.setattr(pinn, "train", lambda problem: u)
    fewer = functools.partial(pinn.sampled, count=20_000)
    monkeypatch.setattr(pinn, "sampled", fewer)
    files = [tmp_path / f"heat.{kind}" for kind in ("json", "png", "cert")]
    asked = ["--json", str(files[0]), "--plot", str(files[1]), "--certificate"]
    assert main(["science", "pinn", "heat", *asked, str(files[2])]) == 0
    assert problem.equation in capsys.readouterr().out
    found = json.loads(files[0].read_text())
    assert found["sampled"] <= found["certified"] <= 1.25 * found["sampled"]
    assert files[1].read_bytes().startswith(b"\x89PNG")
    assert torchlean_check.check(files[2]).accepted
    first, *faces = json.loads(files[2].read_text())["claims"]
    assert Fraction(first["bound"]) == Fraction(found["certified"])
    assert len(faces) == len(problem.conditions)


def test_a_trajectory_is_enclosed_and_drawn(monkeypatch, tmp_path, capsys):
    short = dataclasses.replace(_dynamics.SYSTEMS["oscillator"], end=2.0)
    monkeypatch.setitem(_dynamics.SYSTEMS, "oscillator", short)
    files = [tmp_path / "turn.json", tmp_path / "turn.png", tmp_path / "turn.cert"]
    asked = ["--json", files[0], "--plot", files[1], "--certificate", files[2]]
    assert main(["science", "ode", "oscillator", *map(str, asked)]) == 0
    assert torchlean_check.check(files[2]).accepted
    assert "every solution of y'' = -y" in capsys.readouterr().out
    found = json.loads(files[0].read_text())
    assert found["sampled"] <= found["certified"] <= 1.0001 * found["sampled"]
    assert files[1].read_bytes().startswith(b"\x89PNG")


def test_a_stable_set_is_certified_and_what_is_refuted_is_not(
    monkeypatch, tmp_path, capsys
):
    """The search stands aside, which compiles for long; the checker decides."""
    file = tmp_path / "set.json"
    for name, status, code in (("pendulum", "proved", 0), ("weak", "refuted", 1)):
        found = Stability(status, "", 2.0, 0.0, 0, 0.0)
        monkeypatch.setattr(_control, "lyapunov", lambda *_, found=found: found)
        asked = ["science", "control", name, "--certificate", str(file)]
        assert main(asked) == code
        assert file.exists() == (code == 0)
        if code == 0:
            assert torchlean_check.check(file).accepted
            file.unlink()
    assert "nothing was proved" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("left", "said"),
    [
        ((1.5, box([0.5, 2.0], [0.75, 2.5])), "outside of the set at t = 1.5, at [0.5"),
        (None, "not seen, whether the solution"),
        (EscapeError("too far", 1.0), "not seen, whether the solution"),
    ],
)
def test_what_is_refuted_is_followed(left, said, monkeypatch, capsys):
    """The solution from the point at which V does not fall (`escape` has a test)."""
    found = Stability("refuted", "", 2.0, 0.0, 0, 0.0, np.array([0.75, 1.0]))
    monkeypatch.setattr(_control, "lyapunov", lambda *_: found)

    def escape(f, V, start, level):
        assert start is found.witness and level == 2.0
        if isinstance(left, Exception):
            raise left
        return left

    monkeypatch.setattr(_control, "escape", escape)
    assert main(["science", "control", "weak"]) == 1
    assert said in capsys.readouterr().out


def test_an_example_without_a_certificate_says_so_at_once(tmp_path, capsys):
    asked = ["control", "executed", "--certificate", str(tmp_path / "x.json")]
    assert main(["science", *asked]) == 2
    assert "no certificate of it" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("eps", "code", "said"),
    [("0.5", 0, "proved: "), ("0.25", 3, "unknown: not decided"), ("-1", 2, "")],
)
def test_a_bound_can_be_asked_for(eps, code, said, monkeypatch, capsys):
    """What is proved is 0.375, and it is not asked for more than that."""
    found = Outcome("|residual| <= 0.375", "unknown", 0.375, 0.3, 1.0, {}, lambda _: 0)
    names, _ = _examples.TOPICS["pinn"]
    monkeypatch.setitem(_examples.TOPICS, "pinn", (names, lambda name: found))
    assert main(["science", "pinn", "heat", "--certify", eps]) == code
    assert capsys.readouterr().out.startswith(said)


def test_a_barrier_is_certified(monkeypatch, tmp_path, capsys):
    """The search stands aside, which compiles for long; the checker decides."""
    proved = Stability("proved", "", 1.5, 0.0, 0, 0.0)
    monkeypatch.setattr(_neural_control, "barrier", lambda *_, **__: proved)
    file = tmp_path / "barrier.json"
    assert main(["science", "control", "barrier", "--certificate", str(file)]) == 0
    report = torchlean_check.check(file)
    assert report.accepted and "does not meet it" in report.claim
    assert str(file) in capsys.readouterr().out


def test_a_false_claim_is_exit_code_1(monkeypatch, capsys):
    def false():
        claims = {"shape": "increasing", "near": (lambda x: -x, 0)}
        return Spline([0, 1], [[0, -1]]), claims

    monkeypatch.setitem(_examples.SPLINES, "natural", false)
    assert main(["science", "spline", "natural"]) == 1
    assert "refuted" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("function", "distance", "code", "said"),
    [
        ("jax.numpy:tanh", "1/2", 1, "refuted: "),
        ("{}:half", "0.52", 0, "within 13/25 of a function"),
        ("jax.numpy:missing", "1", 2, "missing"),
        ("jax.numpy:tanh", "wide", 2, "not a finite rational number"),
    ],
)
def test_a_spline_beside_another_function(
    function, distance, code, said, tmp_path, capsys
):
    """Tanh is 1 below at the first knot; the values lie within 1/2 of 1/2."""
    file = tmp_path / "half.py"
    file.write_text("def half(x):\n    return 0 * x + 0.5\n")
    near = ["--near", function.format(file), distance]
    assert main(["science", "spline", "natural", *near]) == code
    assert said in "".join(capsys.readouterr())


def test_an_approximation_prints_its_errors_apart(monkeypatch, tmp_path, capsys):
    f, lo, hi, _, said = _examples.FUNCTIONS["sin"]
    monkeypatch.setitem(_examples.FUNCTIONS, "sin", (f, lo, hi, 0.1, said))
    files = [tmp_path / "sin.json", tmp_path / "sin.tlc", tmp_path / "sin.png"]
    asked = ["--json", files[0], "--certificate", files[1], "--plot", files[2]]
    assert main(["science", "approximate", "sin", *map(str, asked)]) == 0
    printed = capsys.readouterr().out
    for part in ("approximation", "parameter rounding", "execution rounding"):
        assert part in printed
    found = json.loads(files[0].read_text())
    assert found["sampled"] <= found["certified"] <= 0.1
    assert torchlean_check.check(files[1]).accepted
    assert files[2].read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize("words", [[], ["spline"], ["spline", "cubic"], ["alchemy"]])
def test_bad_usage(words, capsys):
    assert main(["science", *words]) == 2
    assert capsys.readouterr().err.count("\n") == 1


def test_two_inputs_have_a_certificate_and_a_picture(tmp_path, monkeypatch):
    monkeypatch.setitem(
        _examples.FUNCTIONS, "bump", (_examples._bump, [0.0] * 2, [1.0] * 2, 0.5, "")
    )
    file, picture = tmp_path / "x.tlc", tmp_path / "x.png"
    asked = ["--certificate", str(file), "--plot", str(picture)]
    assert main(["science", "approximate", "bump", *asked]) == 0
    assert torchlean_check.check(file).accepted
    assert picture.read_bytes().startswith(b"\x89PNG")
