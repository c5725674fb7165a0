"""The digests that Coq computes: SHA-256 beside hashlib's, patterns beside numpy's, and
theorems that do not belong to the certificate."""

import hashlib
import re
from pathlib import Path

import numpy as np
import pytest

from tests.torchlean_check.builder import Certificate
from tests.torchlean_check.examples import EXAMPLES, dense, mlp
from torchlean_check import check
from torchlean_jax import coq
from torchlean_jax.cli import main
from torchlean_jax.coq import _run
from torchlean_jax.coq._digests import FORMATS

needs_coq = pytest.mark.skipif(
    coq.missing(["Digest"]) is not None, reason=str(coq.missing(["Digest"]))
)
START = """\
From Coq Require Import List ZArith String.
From Bignums Require Import BigZ.
From TorchLean Require Import Sha256 Digest.
Import ListNotations.
"""


def said(tmp_path: Path, commands: list[str]) -> str:
    coq.build(["Digest"])
    source = tmp_path / "Ask.v"
    source.write_text(START + "\n".join(commands) + "\n")
    return _run._coqc(source, 100)


@needs_coq
def test_sha256_is_that_of_hashlib(tmp_path):
    """Lengths around the ends of blocks, and the two messages of FIPS 180-4."""
    rng = np.random.default_rng(0)
    texts = ["abc", "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq"]
    for size in (0, 1, 2, 3, 54, 55, 56, 57, 63, 64, 65, 119, 120, 128, 1000):
        texts.append("".join(map(chr, rng.integers(32, 127, size))))
    commands = []
    for k, text in enumerate(texts):
        quoted = text.replace('"', '""')
        commands.append(
            f'Eval vm_compute in ("{k}", Digest.of_text "{quoted}")%string.'
        )
    found = _run.digests_in(said(tmp_path, commands))
    for k, text in enumerate(texts):
        assert found[str(k)] == hashlib.sha256(text.encode()).hexdigest(), text


@needs_coq
def test_patterns_are_those_of_numpy(tmp_path):
    """Numbers of each format, normal, subnormal, largest; and what none of it has."""
    commands, expected = [], []
    for dtype, name in FORMATS.items():
        kind, info = np.dtype(dtype), np.finfo(dtype)
        unsigned = np.dtype(f"u{kind.itemsize}")
        rng = np.random.default_rng(1)
        top = int(np.array(info.max).view(unsigned))
        words = [1, 2, 3, top, top - 1, int(np.array(info.tiny).view(unsigned))]
        words += [words[-1] - 1, words[-1] + 1, 0]
        words += [int(v) for v in rng.integers(1, top, 40, dtype=np.int64)]
        sign = 1 << (8 * kind.itemsize - 1)
        words += [w | sign for w in words if w]
        values = np.array(words, unsigned).view(kind)
        pairs = []
        for value in values:
            m, unit = value.item().as_integer_ratio()
            pairs.append((1 - unit.bit_length(), m))
        nan = sign - 1
        too_fine = (int(np.log2(float(info.smallest_subnormal))) - 1, 1)
        too_long = (0, (1 << (info.nmant + 1)) + 1)
        too_large = (int(info.maxexp), 1)
        pairs += [too_fine, too_long, too_large]
        words += [nan] * 3
        texts = "; ".join(f"(({e})%Z, ({m})%Z)" for e, m in pairs)
        call = f"map (fun '(e, m) => Digest.pattern Digest.{name} e m) [{texts}]"
        commands.append(f"Eval vm_compute in {call}.")
        expected.append(words)
    answers = said(tmp_path, commands).split("= ")[1:]
    for answer, words in zip(answers, expected, strict=True):
        listed = answer.partition("]")[0]
        assert [int(v) for v in re.findall(r"\d+", listed)] == words


@needs_coq
def test_weights_far_apart_are_put_together_again(tmp_path):
    """One matrix in two terms, of integers below 2**62, has one array's digest."""
    c = Certificate()
    w = np.array([[1.0, -(2.0**-90)], [3 * 2.0**-60, 0.75]], np.float32)
    c.output(dense(c, c.box([0.0, 0.0], [1.0, 1.0]), w, np.ones(2, np.float32)))
    c.property = c.rows([[1, 1]], [0])
    text = coq.theorems({"c": c.pack()})
    assert text.count("gaps") == 1
    source = tmp_path / "Proof.v"
    source.write_text(text)
    found = coq.prove(source).digests
    assert found == coq.digests("c", c.pack())
    assert coq.compare(found, {"c": c.pack()}) == len(found) - 1


@needs_coq
@pytest.mark.parametrize(
    ("old", "new", "what"),
    [
        ("numbers (0)%Z [4; 1]", "numbers (0)%Z [5; 1]", "constant 9"),
        ("(-1)%Z [(-2); (-1)]", "(-1)%Z [(-1); (-1)]", "c0 lower 0"),
        ("integer 7)", "integer 8)", "c0 offset"),
        ('{""constants""', '{""Constants""', "graph"),
    ],
)
def test_a_theorem_about_another_graph_is_refused(
    old, new, what, tmp_path, monkeypatch, capsys
):
    """Coq proves it (with a bias of 5, on less of the box, or with an offset of 8 the
    property is easier), and prints another digest."""
    text = coq.theorems({"c0": mlp().pack()})
    assert text.count(old) == 1
    changed = text.replace(old, new)
    path = tmp_path / "mlp.tlc"
    path.write_bytes(mlp().pack())
    monkeypatch.setattr(coq, "theorems", lambda blobs: changed)
    assert main(["certificate", "coq", str(path), "--run"]) == 2
    out, error = capsys.readouterr()
    assert "proved" not in out
    assert f"other digests than the certificate's: {what}\n" in error


def test_a_theorem_that_prints_no_digest_or_too_many_is_refused():
    blob = mlp().pack()
    right = coq.digests("c", blob)
    assert right["graph"] == check(blob).graph_digest
    assert coq.compare({"graph": right["graph"]}, {"c": blob}) == len(right) - 1
    wrong = "0" * 64
    for found in (
        {},
        {"c lower 0": right["c lower 0"]},
        {"graph": wrong},
        {"graph": right["graph"], "constant 2": right["constant 1"]},
        {"graph": right["graph"], "d lower 0": right["c lower 0"]},
        right | {"c upper 0": right["c lower 0"]},
    ):
        with pytest.raises(coq.CoqError, match="digest"):
            coq.compare(found, {"c": blob})
    with pytest.raises(coq.CoqError, match="one graph"):
        coq.compare(right, {"c": blob, "d": EXAMPLES["tree"]().pack()})
