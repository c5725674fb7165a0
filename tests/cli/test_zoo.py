"""`torchlean zoo`, `train`, `claims` and `sample`, as a user calls them."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from torchlean_jax import zoo
from torchlean_jax.cli import _zoo, main
from torchlean_jax.zoo import gpt, mlp
from torchlean_jax.zoo._optimizers import OPTIMIZERS, SCHEDULES


@pytest.fixture
def tiny(monkeypatch):
    """A GPT of seconds under the name of the whole one."""
    entry = gpt.make(gpt.Config(width=8, depth=1, heads=2, context=8))
    monkeypatch.setattr(gpt, "ENTRY", entry)
    return entry


def test_the_list_names_every_entry_and_its_claims(tmp_path, capsys):
    assert main(["zoo", "list", "--json", str(tmp_path / "zoo.json")]) == 0
    said = capsys.readouterr().out
    assert main(["zoo"]) == 0
    assert capsys.readouterr().out == said
    found = json.loads((tmp_path / "zoo.json").read_text())["entries"]
    assert [entry["name"] for entry in found] == list(zoo.NAMES)
    assert all(entry["goals"] and entry["claims"] for entry in found)


def test_every_folder_of_the_zoo_is_an_entry():
    folders = {
        path.parent.name for path in Path(zoo.__file__).parent.glob("*/train.py")
    }
    assert folders == set(zoo.NAMES)


def test_the_options_are_those_that_there_are():
    assert list(OPTIMIZERS) == _zoo.OPTIMIZERS
    assert set(SCHEDULES) == set(_zoo.SCHEDULES)


def test_a_model_is_trained_resumed_and_sampled_from(tiny, tmp_path, capsys):
    run, out = str(tmp_path / "run"), tmp_path / "out.json"
    train = ["train", "gpt", "--steps", "20", "--batch", "8", "--out", run]
    assert main([*train, "--optim", "lion", "--json", str(out)]) == 0
    results = json.loads(out.read_text())
    assert results["settings"]["optimizer"] == "lion"
    assert results["metrics"].keys() == {"bits_per_byte"}
    assert "bits_per_byte" in capsys.readouterr().out
    assert main(train) == 2
    assert "--resume" in capsys.readouterr().err
    sample = ["sample", "gpt", "--checkpoint", run, "--prompt", "def ", "--length", "5"]
    assert main([*sample, "--json", str(out), "--top-k", "5"]) == 0
    written = json.loads(out.read_text())["text"]
    assert written.startswith("def ") and capsys.readouterr().out == written + "\n"
    assert main([*sample[:-2], "--prompt", ""]) == 2
    assert main(["sample", "mlp", "--checkpoint", run]) == 2
    assert main(["claims", "mlp", "--checkpoint", run]) == 2
    assert "is of gpt, not of mlp" in capsys.readouterr().err


def test_claims_are_printed_with_their_status(tmp_path, capsys, monkeypatch):
    def is_wrong(trained):
        """Nothing."""
        raise ValueError("planted")

    few = replace(mlp.ENTRY, claims=mlp.ENTRY.claims[:1], brief=5)
    monkeypatch.setattr(mlp, "ENTRY", few)
    out = tmp_path / "claims.json"
    assert main(["claims", "mlp", "--json", str(out)]) == 0
    assert capsys.readouterr().out.startswith("holds ")
    (claim,) = json.loads(out.read_text())["claims"]
    assert claim["status"] == "holds" and claim["evidence"]
    monkeypatch.setattr(mlp, "ENTRY", replace(few, claims=(is_wrong,)))
    assert main(["claims", "mlp"]) == 3
    assert "planted" in capsys.readouterr().out


def test_claims_about_no_entry_need_no_training(tmp_path, capsys):
    out = tmp_path / "claims.json"
    assert main(["claims", "schedules", "--json", str(out)]) == 0
    assert capsys.readouterr().out.count("holds ") == 5
    assert json.loads(out.read_text())["step"] is None
    assert main(["claims", "schedules", "--checkpoint", str(tmp_path)]) == 2


def test_an_unknown_entry_is_one_line(capsys):
    assert main(["train", "mpl"]) == 2
    assert "there are mlp" in capsys.readouterr().err
