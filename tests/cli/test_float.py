"""`torchlean float`: errors, audits and replays of a function in a file."""

import json

import jax.numpy as jnp
import numpy as np
import pytest

from torchlean_jax.cli import main

MODEL = """
import jax.numpy as jnp

def absorbed(x):
    return (x + 1e8) - 1e8

def normalised(x):
    return x / jnp.sqrt(x)

def doubled(x):
    return x * 2.0

def odd(x):
    return jnp.tanh(x)
"""
BOX = ["--center", "1,0.25", "--radius", "0.125"]


@pytest.fixture
def model(tmp_path):
    path = tmp_path / "model.py"
    path.write_text(MODEL)
    return lambda name: f"{path}:{name}"


def results(tmp_path, *command):
    path = tmp_path / "out.json"
    code = main(["float", *command, "--json", str(path)])
    return code, json.loads(path.read_text())


def test_error_bounds_what_is_absorbed_and_ranks_the_sums(model, tmp_path, capsys):
    code, found = results(tmp_path, "error", model("absorbed"), *BOX)
    assert code == 0
    (bound,) = found["bound"]
    # a run returns 0, and one of two roundings in steps of 8 can be off by 4
    assert all(1.125 <= b <= 8.01 for b in np.ravel(bound)[:1])
    assert {node["primitive"] for node in found["nodes"]} <= {"add", "sub"}
    assert "model.py:5" in capsys.readouterr().out


def test_audit_names_the_rewrite(model, tmp_path):
    code, found = results(tmp_path, "audit", model("normalised"), *BOX)
    assert code == 1 and not found["clean"]
    assert {f["primitive"] for f in found["findings"]} & {"sqrt", "div"}
    code, found = results(tmp_path, "audit", model("doubled"), *BOX)
    assert code == 0 and found["clean"] and not found["findings"]


def test_replay_agrees_where_nothing_rounds(model, tmp_path):
    code, found = results(tmp_path, "replay", model("doubled"), *BOX)
    assert code == 0 and found["agree"]
    assert all(run["parts_at"] is None for run in found["runs"])


def test_replay_compares_with_the_correctly_rounded_function(model, tmp_path):
    """The library's tanh is off at one of these points, by NumPy's float64 tanh."""
    x = np.linspace(0.5, 1.0, 64, dtype=np.float32)
    right = np.tanh(x.astype(np.float64)).astype(np.float32)
    runs = np.asarray(jnp.tanh(x))
    assert (right != runs).any()
    np.save(tmp_path / "x.npy", x)
    command = ["--center", str(tmp_path / "x.npy"), "--radius", "0"]
    code, found = results(tmp_path, "replay", model("odd"), *command)
    assert code == 1 and not found["agree"]
    parted = [run["parts_at"] for run in found["runs"] if run["parts_at"]]
    assert all("tanh" in place for place in parted)


def test_ops_lists_the_error_model(tmp_path, capsys):
    code, found = results(tmp_path, "ops")
    assert code == 0 and found["ulps"]["rsqrt"] == 1.25
    assert "rsqrt" in capsys.readouterr().out


def test_bad_usage(model, capsys):
    assert main(["float", "error", model("doubled"), "--norm", "2", *BOX]) == 2
    assert "leave --norm away" in capsys.readouterr().err
    assert main(["float", "error", "no_such.py:f", *BOX]) == 2
    assert main(["float"]) == 2
