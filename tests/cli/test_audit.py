"""`torchlean audit`: tables, witnesses, exit codes, and what a file may do wrong."""

import json
import sys

import pytest

from torchlean_jax.cli import _output, main

MODEL = """
import jax.numpy as jnp
import torchlean_jax as tl

@tl.claims.causal()
@tl.claims.example("f32[4]")
def running(x):
    return jnp.cumsum(x)

@tl.claims.causal()
@tl.claims.example("f32[4]")
def leaking(x):
    return jnp.roll(x, -1)

class Block:
    @tl.claims.independent_of("x")
    @tl.claims.example(lambda: (Block(), "f32[2]"))
    def open(self, x):
        return x - x

def unclaimed(x):
    return x

@tl.claims.gradient()
@tl.claims.example("f32[2]")
def needs(x):
    return missing_name(x)
"""


@pytest.fixture
def model(tmp_path):
    path = tmp_path / "model.py"
    path.write_text(MODEL)
    return str(path)


@pytest.mark.parametrize(
    ("names", "code", "verdicts"),
    [
        (["running"], 0, ["holds"]),
        (["running", "Block"], 3, ["holds", "undecided"]),
        (["needs"], 3, ["undecided"]),
        ([], 1, ["holds", "false", "undecided", "undecided"]),
    ],
)
def test_exit_codes_and_what_is_written(names, code, verdicts, model, tmp_path, capsys):
    path = tmp_path / "claims.json"
    assert main(["audit", model, *names, "--json", str(path)]) == code
    found = json.loads(path.read_text())
    assert [claim["verdict"] for claim in found["claims"]] == verdicts
    assert found["without_claims"] == ([] if names else ["unclaimed"])
    out = capsys.readouterr().out
    assert out.splitlines()[-1].startswith(f"{len(verdicts)} claims: ")
    assert "running::causal" in out or names == ["needs"]
    assert ("is not causal" in out) == ("false" in verdicts)
    if not names:
        assert "without claims: unclaimed. A function can claim" in out
        assert "NameError" in out and "return missing_name(x)" in out
        assert "model.py:10" in out


BROKEN = {
    "def f(:": "SyntaxError",
    "import jax\nx = jax.nn.relu(undefined)": "broken.py:2: x = jax.nn.relu(undefined)",
    "import jax.numpy as jnp\ny = jnp.ones(3) @ jnp.ones(4)": "broken.py:2: y = ",
    "raise SystemExit(3)": "SystemExit: 3",
    "x = 1": "claims nothing. A function can claim",
    "def f(x): return x": "it defines f",
}


@pytest.mark.parametrize("source", BROKEN)
def test_a_file_that_cannot_be_audited(source, tmp_path, capsys):
    path = tmp_path / "broken.py"
    path.write_text(source)
    assert main(["audit", str(path)]) == 2
    streams = capsys.readouterr()
    assert BROKEN[source] in streams.err and not streams.out
    assert "cli/_given.py" not in streams.err


def test_bad_usage(model, capsys):
    assert main(["audit", "absent.py"]) == 2
    assert main(["audit", "no_such_module"]) == 2
    assert main(["audit", model, "unclaimed"]) == 2
    assert "unclaimed claims nothing" in capsys.readouterr().err
    assert main(["audit"]) == 2


def test_a_dotted_module(model, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delitem(sys.modules, "model", raising=False)
    assert main(["audit", "model", "leaking"]) == 1
    assert "leaking::causal" in capsys.readouterr().out
    monkeypatch.delitem(sys.modules, "model", raising=False)


def test_the_live_line_names_the_claim(model, monkeypatch):
    shown = []

    class Live:
        def __enter__(self):
            return shown.append

        def __exit__(self, *_):
            pass

    monkeypatch.setattr(_output, "live", lambda what: Live())
    main(["audit", model, "running", "leaking"])
    assert shown == ["running::causal", "leaking::causal"]
