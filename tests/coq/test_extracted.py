"""The extracted checker beside Coq's own answers, and beside `torchlean_check` on every
changed manifest of the examples; the oracle of what is true is exact evaluation."""

import copy
import json
import os
import re
import shutil

import numpy as np
import pytest

from tests.coq.test_curves import network
from tests.coq.test_theorems import _changed, verdicts
from tests.torchlean_check.builder import members_of
from tests.torchlean_check.evaluator import Claim
from tests.torchlean_check.examples import EXAMPLES, mlp
from tests.torchlean_check.test_tamper import BLOBS, at, changes, paths, sealed
from torchlean_check import CertificateError, check
from torchlean_jax import coq
from torchlean_jax.cli import main
from torchlean_jax.coq import _extracted, _run
from torchlean_jax.coq._core import Core
from torchlean_jax.coq._evidence import Prover
from torchlean_jax.coq._reading import read
from torchlean_jax.coq._text import _leaf, network_text, theorem_text

needs_program = pytest.mark.skipif(
    coq.missing_extracted() is not None, reason=str(coq.missing_extracted())
)
needs_coq = pytest.mark.skipif(coq.missing() is not None, reason=str(coq.missing()))


def answers(tmp_path, text: str) -> dict[str, bool]:
    source = tmp_path / "Ask.v"
    source.write_text(text)
    return coq.run_extracted(source).accepted


@needs_program
@pytest.mark.parametrize("name", ["mlp", "conv", "tree", "slopes"])
def test_the_command_accepts_the_examples(name, tmp_path, capsys):
    path = tmp_path / f"{name}.tlc"
    path.write_bytes(EXAMPLES[name]().pack())
    assert main(["certificate", "coq", str(path), "--extracted"]) == 0
    assert "no theorem" in capsys.readouterr().out


@needs_program
@needs_coq
def test_coq_and_the_program_agree_about_changed_evidence(tmp_path):
    """Signs, ends and slopes moved by little and by much: some of it is still right."""
    blob = mlp().pack()
    reading = read(blob)
    core = Core(reading)
    box = reading.region.boxes[0]
    boxes = [tuple(np.ldexp(np.array(s, float), box.exp) for s in (box.lo, box.hi))]
    prover = Prover(core, boxes, [], {})
    ((value, right),) = prover.evidence.items()
    proofs, rng = [_leaf(core, prover)], np.random.default_rng(0)
    for _ in range(40):
        k = int(rng.integers(len(right.state)))
        name = ("state", "lo", "hi", "below", "above")[rng.integers(5)]
        by = int(rng.integers(-3, 4)) << int(rng.integers(0, 24))
        new = int(rng.integers(-1, 2)) if name == "state" else None
        number = int(getattr(right, name)[k]) + by if new is None else new
        prover.evidence[value] = _changed(right, k, **{name: number})
        proofs.append(_leaf(core, prover))
    proofs += ["Leaf []", "Cut 0 1 ((0)%Z, integer 3) (Leaf []) (Leaf [])"]
    proofs.append(f"Cut 7 1 ((-1)%Z, integer 1) ({proofs[0]}) ({proofs[0]})")
    text = network_text(reading, core)
    text += theorem_text(reading, core, "c").partition("Theorem")[0]
    for k, proof in enumerate(proofs):
        text += f"Definition box_{k} : box := box_c.\n"
        text += f"Definition property_{k} : property := property_c.\n"
        text += f"Definition proof_{k} : tree := {proof}.\n"
    found = answers(tmp_path, text)
    expected = verdicts(tmp_path, blob, proofs)
    assert [found[str(k)] for k in range(len(proofs))] == expected
    assert 3 < sum(expected) < len(expected) - 3 and expected[-1]


# The evidence for Coq is not the certificate's: where what operands are is changed, one
# of them may suffice and the other not. Each claim is true.
DIFFER = {
    ("mlp", "graph.nodes.2.in.1", 4),
    ("slopes", "graph.nodes.1.in.1", 2),
    ("slopes", "graph.nodes.4.in.1", 8),
}


@needs_program
@pytest.mark.parametrize("name", ["mlp", "tree", "slopes"])
def test_every_changed_manifest(name, tmp_path):
    """Sealed again, so that readers take it: the program and `torchlean_check` agree,
    and what the program accepts is true at points."""
    members = members_of(BLOBS[name])
    original, differ, accepted = json.loads(members["manifest.json"]), set(), 0
    for path in list(paths(original))[1:]:
        for new in changes(at(original, path)):
            manifest = copy.deepcopy(original)
            *where, key = list(path)
            at(manifest, where)[key] = new
            blob = sealed(members, manifest)
            try:
                expected = check(blob).accepted
                text = coq.theorems({"c": blob})
            except (CertificateError, coq.OutsideTheCoreError):
                continue
            found = answers(tmp_path, text)["c"]
            if found:
                claim, rng = Claim(blob), np.random.default_rng(1)
                assert all(claim.margin(p) > 0 for p in claim.points(4, rng))
            if found != expected:
                differ.add((name, ".".join(map(str, path)), new))
            accepted += found
    assert differ == {row for row in DIFFER if row[0] == name}
    assert accepted > 40


@needs_program
def test_a_false_property_is_not_accepted(tmp_path, monkeypatch, capsys):
    text = coq.theorems({"c0": mlp().pack()})
    assert answers(tmp_path, text) == {"c0": True}
    false = text.replace("integer 7", "integer (-9)")
    assert false != text
    assert answers(tmp_path, false) == {"c0": False}
    path = tmp_path / "mlp.tlc"
    path.write_bytes(mlp().pack())
    monkeypatch.setattr(coq, "theorems", lambda blobs: false)
    assert main(["certificate", "coq", str(path), "--extracted"]) == 2
    out, error = capsys.readouterr()
    assert "refuses" in error and "mlp.tlc" in error and "accepted" not in out


@needs_program
def test_what_the_program_does_not_understand_is_an_error(tmp_path):
    """It is a reader of its own: nothing is passed over, nothing defined twice."""
    text = coq.theorems({"c": mlp().pack()})
    twice = re.search(r"^Definition box_c .*\n", text, re.M)
    assert twice is not None
    for wrong in (
        text + twice[0],
        text.replace("Definition network", "Definition net"),
        text.replace("Definition box_c ", "Definition box_d "),
        text.replace("Max ", "Min "),
        text.replace("full (-2)%Z [[4;", "full (-2)%Z [[4 4;"),
        text.replace("full (-2)%Z [[4;", "full (-2)%Z [[four;"),
        text.replace("full (-2)%Z [[4;", "full (-2)%Z [[4,"),
        text.replace("full (-2)%Z [[4;", "full (-2)%Z [[4.5;"),
        text.replace("(2%nat, full", "((-2)%nat, full"),
        text.replace("Lies ", "Lie "),
        text.replace(" |}.\nDefinition n2", " |} n1.\nDefinition n2"),
        text.replace("(0%Z, [])]", "(0%Z, [1])]"),
    ):
        assert wrong != text
        with pytest.raises(coq.CoqError, match="extracted checker refuses"):
            answers(tmp_path, wrong)
    smooth = coq.theorems({"c": network().pack()})
    with pytest.raises(coq.CoqError, match="smooth functions are not"):
        answers(tmp_path, smooth)


@needs_coq
def test_without_ocaml_the_command_says_what_is_missing(tmp_path, monkeypatch, capsys):
    path = tmp_path / "mlp.tlc"
    path.write_bytes(mlp().pack())
    which = shutil.which
    monkeypatch.setattr(_extracted, "PROGRAM", "not-built")
    monkeypatch.setattr(
        shutil, "which", lambda name: None if "ocaml" in name else which(name)
    )
    assert main(["certificate", "coq", str(path), "--extracted"]) == 2
    assert "apt install ocaml-nox" in capsys.readouterr().err


@needs_program
def test_the_program_is_made_anew_when_the_proofs_change(tmp_path, monkeypatch):
    program = coq.build_extracted()
    theory = tmp_path / "proofs"
    shutil.copytree(_run.THEORY, theory, symlinks=True)
    monkeypatch.setattr(_run, "THEORY", theory)
    assert not _extracted._stale()
    later = program.stat().st_mtime + 10
    os.utime(theory / "Lines.v", (later, later))
    assert _extracted._stale()
