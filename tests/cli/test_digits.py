"""`torchlean verify digits`: what it prints, writes, refuses and notices."""

import functools
import json
import sys

import numpy as np
import pytest

import torchlean_jax as tl
from torchlean_jax.certificate import Certificate
from torchlean_jax.cli import _digits, _plot, main
from torchlean_jax.zoo import digits
from torchlean_jax.zoo.digits import _train

NAMES = ["accuracy", "certified", "refuted", "unknown", "checked", "seconds"]
QUICK = ["verify", "digits", "--model", "linear", "--train", "standard"]


@pytest.fixture(autouse=True)
def a_few_epochs(monkeypatch):
    """Enough to certify some images and get some wrong; counts do not matter here."""
    monkeypatch.setattr(_train, "EPOCHS", 3)


def test_it_prints_and_writes_the_counts(tmp_path, capsys):
    path, folder = tmp_path / "out.json", tmp_path / "new" / "proofs"
    command = [*QUICK, "--limit", "12", "--json", str(path), "--eps", "0.03"]
    assert main([*command, "--certificates", str(folder)]) == 0
    out, err = capsys.readouterr()
    results = json.loads(path.read_text())
    assert list(results)[: len(NAMES)] == NAMES
    assert [line.split()[0] for line in out.splitlines()[1:]] == NAMES
    assert err == ""  # no progress bar: nobody is looking

    images = results["per_image"]
    counts = [results[name] for name in ("certified", "refuted", "unknown")]
    assert sum(counts) == results["images"] == len(images) == 12
    assert results["checked"] == results["certified"] > 0
    assert results["accuracy"] == np.mean(
        [i["label"] == i["predicted"] for i in images]
    )
    assert results["eps"] == 0.03 and results["versions"]["jax"]
    written = {path.name for path in folder.iterdir()}
    assert written == {i["certificate"] for i in images} - {None}
    for image in images:
        assert (image["status"] == "proved") == (image["certificate"] is not None)
        assert (image["status"] == "refuted") == (image["counterexample"] is not None)


def test_claims_about_executions_are_checked_and_name_their_model(tmp_path, capsys):
    path, folder = tmp_path / "out.json", tmp_path / "proofs"
    command = [*QUICK, "--limit", "4", "--semantics", "fp32", "--json", str(path)]
    assert main([*command, "--certificates", str(folder)]) == 0
    assert "in every execution, error model xla-cpu" in capsys.readouterr().out
    results = json.loads(path.read_text())
    assert results["semantics"] == "fp32"
    assert results["checked"] == results["certified"] > 0
    assert main(["check", *map(str, folder.glob("*.tlc"))]) == 0
    assert "Assumed: error model 'xla-cpu'" in capsys.readouterr().out
    assert main([*command, "--plot", str(tmp_path / "plot.png")]) == 2


def test_balls_certify_more_images_than_boxes_of_their_radius(tmp_path, capsys):
    """L1 ball < L2 ball < box; the certificates name the norm."""
    counts = []
    for norm in ("inf", "2", "1"):
        path, folder = tmp_path / f"{norm}.json", tmp_path / norm
        command = [*QUICK, "--limit", "30", "--eps", "0.2", "--json", str(path)]
        assert main([*command, "--norm", norm, "--certificates", str(folder)]) == 0
        results = json.loads(path.read_text())
        assert results["norm"] == norm
        assert results["checked"] == results["certified"]
        counts.append(results["certified"])
    assert counts[0] < counts[1] < counts[2]
    assert "in the L1 norm changes the label" in capsys.readouterr().out


def test_certificates_of_two_runs_do_not_mix(tmp_path, capsys):
    (tmp_path / "image-000.tlc").write_bytes(b"an earlier one")
    assert main([*QUICK, "--certificates", str(tmp_path)]) == 2
    assert "1 certificates of an earlier run" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["image-000.tlc"]


def test_a_certificate_that_the_checker_rejects_is_noticed(monkeypatch, capsys):
    def damaged(certificate, path):
        path.write_bytes(certificate.bytes[:-1])

    monkeypatch.setattr(Certificate, "save", damaged)
    assert main([*QUICK, "--limit", "3"]) == 1
    assert "REJECTED" in capsys.readouterr().out


def test_the_same_seed_gives_the_same_results(tmp_path):
    def results():
        path = tmp_path / "out.json"
        command = [*QUICK, "--limit", "8", "--eps", "0.1", "--json", str(path)]
        assert main([*command, "--seed", "5"]) == 0
        found = json.loads(path.read_text())["per_image"]
        return [(i["margin"], i["counterexample"]) for i in found]

    first = results()
    assert first == results()
    assert any(counterexample for _, counterexample in first)


def test_the_plot_is_a_picture(tmp_path, monkeypatch):
    monkeypatch.setattr(_plot, "RADII", np.array([0.0, 0.05]))
    monkeypatch.setattr(_plot, "METHODS", ("ibp", "crown"))
    path = tmp_path / "digits.png"
    assert main([*QUICK, "--limit", "4", "--plot", str(path)]) == 0
    assert path.read_bytes()[:8] == b"\x89PNG\r\n\x1a\n"
    assert [path.name for path in tmp_path.iterdir()] == ["digits.png"]


def test_the_plot_and_the_verdicts_agree(monkeypatch):
    data, model = digits.load(), digits.MODELS["linear"]
    f = digits.classifier(model, digits.train(model, data, certified=False))
    images, labels = data.test_images[:40], data.test_labels[:40]
    proved = [
        tl.verify(
            f,
            tl.box(image, radius=0.04),
            tl.spec.margin(label),
            attack=False,
            certificate=False,
        ).status
        == "proved"
        for image, label in zip(images, labels, strict=True)
    ]
    monkeypatch.setattr(_plot, "RADII", np.array([0.02, 0.04]))
    around, radii = functools.partial(_digits.around, norm="inf"), _plot.RADII
    found = _plot.certified(f, images, labels, "crown", around, radii)
    assert found[1].tolist() == proved
    assert 0 < found[1].mean() < found[0].mean()
    known = found.copy()
    known[1] = True  # taken as it is, and the other radius computed as before
    again = _plot.certified(f, images, labels, "crown", around, radii, known)
    assert again[1].all() and (again[0] == found[0]).all()


@pytest.mark.parametrize(
    ("extra", "message"),
    [
        (["--eps", "-1"], "finite number"),
        (["--eps", "nan"], "finite number"),
        (["--limit", "0"], "1 or more"),
        (["--seed", "x"], "not an integer"),
        (["--method", "magic"], "magic"),
        (["--norm", "3"], "3"),
        (["--plot", "x.pdf"], ".png"),
        (["--json", "no/such/folder/x.json"], "no folder"),
        (["--device", "gpu"], "finds no gpu"),
    ],
)
def test_bad_options_are_refused_in_one_line(extra, message, capsys):
    assert main([*QUICK, *extra]) == 2
    out, err = capsys.readouterr()
    assert message in err and err.count("\n") == 1 and out == ""


@pytest.mark.parametrize("module", ["sklearn.datasets", "matplotlib"])
def test_a_missing_extra_is_named_before_any_work(
    module, monkeypatch, capsys, tmp_path
):
    monkeypatch.setitem(sys.modules, module, None)
    assert main([*QUICK, "--plot", str(tmp_path / "x.png")]) == 2
    assert "torchlean-jax[zoo]" in capsys.readouterr().err
