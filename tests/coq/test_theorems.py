"""Certificates as Coq theorems: what the text means, and what Coq says of it.

The meaning is compared with exact fractions that other code computes from the
certificate. Where Coq is not installed, what needs it is skipped, and says so.
"""

import dataclasses
import importlib
import re
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

import torchlean_check
from tests.coq.meaning import definition, evaluate, margin
from tests.torchlean_check.builder import Certificate
from tests.torchlean_check.evaluator import Claim
from tests.torchlean_check.examples import EXAMPLES, dense, mlp, relu
from torchlean_jax import coq
from torchlean_jax.cli import main
from torchlean_jax.coq import _run
from torchlean_jax.coq._core import Core
from torchlean_jax.coq._evidence import Evidence, Prover
from torchlean_jax.coq._reading import read
from torchlean_jax.coq._text import _leaf, network_text, theorem_text

ROOT = Path(__file__).resolve().parents[2]
COVERED = ("mlp", "conv", "tree", "slopes")
needs_coq = pytest.mark.skipif(coq.missing() is not None, reason=str(coq.missing()))


@pytest.mark.parametrize("name", COVERED)
def test_the_text_means_what_the_certificate_means(name):
    blob = EXAMPLES[name]().pack()
    text = coq.theorems({"c": blob})
    claim = Claim(blob)
    for point in claim.points(5, np.random.default_rng(0)):
        inputs = [list(np.ravel(x)) for x in point.values()]
        env = evaluate(text, inputs)
        assert margin(definition(text, "property_c"), env) == claim.margin(point)


def far_apart() -> bytes:
    """`mlp` with numbers of very different size in each of its arrays."""
    c = mlp(box=((-1.0, 2.0**-90), (1.0, 1.5)))
    for name, array in c.arrays.items():
        if array.size > 1 and name not in ("0", "1"):
            c.arrays[name] = array.copy()
            c.arrays[name].flat[-1] *= 2.0**-100
            c.arrays[name].flat[array.size // 2] *= 2.0**-50
    return c.pack()


def test_numbers_of_any_distance_keep_their_value():
    """Weights of an input that is always 0 shrink as long as training goes on."""
    blob = far_apart()
    text = coq.theorems({"c": blob})
    claim = Claim(blob)
    for point in claim.points(5, np.random.default_rng(0)):
        inputs = [list(np.ravel(x)) for x in point.values()]
        env = evaluate(text, inputs)
        assert margin(definition(text, "property_c"), env) == claim.margin(point)
    assert "%bigZ" in text
    machine = re.sub(r"\(-?\d+\)%(bigZ|Z)", "", text)
    assert all(abs(int(m)) < 2**62 for m in re.findall(r"-?\b\d+", machine))


@pytest.mark.parametrize(
    ("name", "what"),
    [
        ("ball2", "ball"),
        ("constrained", "ball, not a box; there are constraints"),
        ("layout", "no dyadic number"),
        ("executions", "executions"),
        ("phases", "weigh the cuts above them with multipliers"),
        ("lemmas", "lemmas about inner values are proved on the way"),
        ("zonotope", "leaves are proved by zonotopes"),
    ],
)
def test_what_is_not_covered_is_refused_by_name(name, what):
    with pytest.raises(coq.OutsideTheCoreError, match=what):
        coq.theorems({"c": EXAMPLES[name]().pack()})


def test_every_primitive_outside_the_core_is_named():
    certificate = mlp()
    (y,) = certificate.graph["outputs"]
    y = certificate.node("sin", [certificate.node("tanh", [y], [2])], [2])
    certificate.output(certificate.node("erf", [y], [2]))
    with pytest.raises(coq.OutsideTheCoreError, match=r"core: erf, sin$"):
        coq.theorems({"c": certificate.pack()})


def test_without_coq_the_command_says_what_is_missing(tmp_path, monkeypatch, capsys):
    path = tmp_path / "mlp.tlc"
    path.write_bytes(mlp().pack())
    monkeypatch.setattr(shutil, "which", lambda name: None)
    assert main(["certificate", "coq", str(path), "--run"]) == 2
    assert "apt install coq" in capsys.readouterr().err
    assert main(["certificate", "coq", str(path)]) == 2  # neither --out nor --run
    out = tmp_path / "Mlp.v"
    assert main(["certificate", "coq", str(path), "--out", str(out)]) == 0
    assert "Theorem holds_c0" in out.read_text()
    path.write_bytes(b"PK")
    assert main(["certificate", "coq", str(path), "--out", str(out)]) == 2


def test_another_version_of_coq_is_refused(monkeypatch):
    answer = subprocess.CompletedProcess([], 0, "8.99.0 4.14.0\n", "")
    monkeypatch.setattr(shutil, "which", lambda name: "/usr/bin/coqc")
    monkeypatch.setattr(subprocess, "run", lambda *a, **k: answer)
    assert "8.99.0" in str(coq.missing())


def test_an_axiom_that_is_not_listed_is_an_error():
    said = "Axioms:\nUint63.add_spec : forall x, x\ncheat : False\n"
    with pytest.raises(coq.CoqError, match="cheat"):
        _run.axioms_in(said)
    assert _run.axioms_in("Axioms:\nUint63.add_spec\n  : forall x, x\n") == (
        "Uint63.add_spec",
    )


@needs_coq
def test_coq_proves_the_examples_and_says_of_what(tmp_path, capsys):
    # Of arrays, Coq recomputes all but the 0 of relu and the weights of a convolution.
    for name, arrays in (("mlp", "8 of 9"), ("conv", "6 of 8"), ("tree", "4 of 5")):
        path = tmp_path / f"{name}.tlc"
        path.write_bytes(EXAMPLES[name]().pack())
        assert main(["certificate", "coq", str(path), "--run"]) == 0
        said = capsys.readouterr().out
        assert "claim network box_c0 property_c0\n" in said
        assert torchlean_check.check(path.read_bytes()).graph_digest in said
        assert f"with {arrays} arrays" in said
        assert "1 of 1 accepted" in said


@needs_coq
def test_coq_proves_a_claim_whose_numbers_are_far_apart(tmp_path):
    blob = far_apart()
    source = tmp_path / "Far.v"
    source.write_text(coq.theorems({"c": blob}))
    coq.build()
    coq.prove(source)


@pytest.fixture
def prove(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / "scripts"))
    return importlib.import_module("prove")


@pytest.fixture
def other_theory(tmp_path, monkeypatch):
    """A theory of its own, with what it assumes in place of a proof."""
    (tmp_path / "_CoqProject").write_text("Bad.v\n")
    (tmp_path / "Bad.v").write_text(
        "Parameter cheat : False.\nTheorem two : 1 = 2.\n"
        "Proof. destruct cheat. Qed.\nTheorem three : 1 = 3.\nAdmitted.\n"
    )
    monkeypatch.setattr(_run, "THEORY", tmp_path)


def test_nothing_is_admitted(prove):
    assert prove.unproved() == []


def test_what_is_admitted_is_found(prove, other_theory):
    assert [line.partition(":")[2][:1] for line in prove.unproved()] == ["1", "5"]


@needs_coq
def test_a_theorem_that_rests_on_a_wrong_axiom_is_an_error(prove, other_theory):
    coq.build(["Bad"])
    with pytest.raises(coq.CoqError, match="cheat"):
        prove.axioms("Bad", ("two",))


@needs_coq
def test_coqchk_reads_the_compiled_proofs(prove, tmp_path, monkeypatch):
    """It accepts a compiled file, and refuses it with one bit changed."""
    coq.build(["Scan"])
    compiled = (_run.THEORY / "Scan.vo").read_bytes()
    monkeypatch.setattr(_run, "THEORY", tmp_path)
    (tmp_path / "Scan.vo").write_bytes(compiled)
    prove.kernel(["Scan"], whole=False)
    middle = len(compiled) // 2
    changed = bytes([compiled[middle] ^ 1])
    (tmp_path / "Scan.vo").write_bytes(
        compiled[:middle] + changed + compiled[middle + 1 :]
    )
    with pytest.raises(coq.CoqError, match="coqchk"):
        prove.kernel(["Scan"], whole=False)


def test_what_a_file_of_the_theory_needs_is_known(monkeypatch):
    assert _run.with_their_own(["Scan"]) == ["Scan"]
    assert _run.with_their_own(["Words"]) == ["Graph", "Words"]
    assert set(_run.with_their_own(["Evidence"])) == {"Words", "Evidence"} | set(
        _run.with_their_own(["Curves"])
    )
    monkeypatch.setattr(_run, "PACKAGES", {"Bignums": "bignums", "Coq": "the-reals"})
    if coq.missing(["Scan"]) is not None:  # not without Coq
        assert "Coq" in str(coq.missing(["Scan"]))


def verdicts(tmp_path, blob, proofs, properties=()) -> list[bool]:
    """What the proved checker says of each proof, and of each property, in one run."""
    reading = read(blob)
    core = Core(reading)
    text = network_text(reading, core)
    text += theorem_text(reading, core, "c").partition("Theorem")[0]
    asked = [f"check network box_c property_c ({proof})" for proof in proofs]
    asked += [f"check network box_c ({prop}) proof_c" for prop in properties]
    text += "".join(f"Eval vm_compute in {call}.\n" for call in asked)
    text += "End Certificates.\n"
    source = tmp_path / "Ask.v"
    source.write_text(text)
    coq.build()
    said = _run._coqc(source, 100)
    return [line.split()[1] == "true" for line in said.splitlines() if "= " in line]


@needs_coq
def test_no_false_evidence_is_accepted(tmp_path):
    """Each change states a sign or a bound that a point of the box contradicts, or a
    property that is false there."""
    blob = mlp().pack()
    reading = read(blob)
    core = Core(reading)
    box = reading.region.boxes[0]
    boxes = [tuple(np.ldexp(np.array(s, float), box.exp) for s in (box.lo, box.hi))]
    prover = Prover(core, boxes, [], {})
    ((value, right),) = prover.evidence.items()
    tampered, open_entry = [], int(np.flatnonzero(right.state == 0)[0])
    for k, state in enumerate(right.state):
        wrong = (1, -1) if state == 0 else (-int(state),)
        tampered += [_changed(right, k, state=s) for s in wrong]
    middle = (right.lo[open_entry] + right.hi[open_entry]) // 2
    tampered += [
        _changed(right, open_entry, lo=middle + d) for d in (0, 1 << 10, 1 << 20)
    ]
    tampered += [
        _changed(right, open_entry, hi=middle - d) for d in (0, 1 << 10, 1 << 20)
    ]
    proofs = []
    for evidence in [right, *tampered]:
        prover.evidence[value] = evidence
        proofs.append(_leaf(core, prover))
    proofs.append("Leaf []")
    text = theorem_text(reading, core, "c")
    right_property = text.partition("property := ")[2].partition(".\n")[0]
    false = [right_property.replace("integer 7", f"integer ({m})") for m in (-9, -40)]
    assert false[0] != right_property
    accepted, *others = verdicts(tmp_path, blob, proofs, false)
    assert accepted
    assert len(others) == len(proofs) - 1 + len(false) and not any(others)


def _changed(e: Evidence, k: int, **fields) -> Evidence:
    arrays = {}
    for name, number in fields.items():
        arrays[name] = getattr(e, name).copy()
        arrays[name][k] = number
    return dataclasses.replace(e, **arrays)


def test_slopes_are_close_enough_for_a_thin_margin():
    """-3 relu(x) + 2 x + 2 + 2**-16 on [-1, 2]: only the chord itself proves it, not a
    line whose slope is a multiple of 2**-12."""
    c = Certificate()
    x = c.box([-1.0], [2.0])
    w1, b1 = np.ones((1, 2), np.float32), np.array([0, 2], np.float32)
    h = relu(c, dense(c, x, w1, b1), [2])
    w2 = np.array([[-3], [2]], np.float32)
    c.output(dense(c, h, w2, np.array([-2 + 2.0**-16], np.float32)))
    c.property = c.rows([[1]], [0])
    core = Core(read(c.pack()))
    prover = Prover(core, [(np.array([-1.0]), np.array([2.0]))], [], {})
    last = core.inputs + len(core.nodes) - 1
    low = prover.minimum({last: np.ones((1, 1))}, np.zeros(1))
    assert 0 < low[0] < 2.0**-16
