"""Certificates of searches whose inner values were settled: lemmas come first.

That no lemma makes the checker accept a false claim is tested beside the checker; here,
that true ones are derived, and that numbers put in a wrong place are noticed.
"""

import io
import json
import zipfile
from typing import Any

import jax.numpy as jnp
import numpy as np
import pytest

import torchlean_check
import torchlean_jax as tl
from tests.search import test_settled as small
from tests.search.faults import notices, planted
from torchlean_jax import _certified
from torchlean_jax.certificate import _cells, _lemmas
from torchlean_jax.domains.fp32 import ErrorModel
from torchlean_jax.search import Branching, _narrower, _settled
from torchlean_jax.search import _lemmas as found_lemmas

SEEDS = 1, 0
PHASES = Branching(cut="phases", batch=8, most_parts=2000)


@pytest.fixture(autouse=True)
def at_once(monkeypatch):
    """Settled soon; and no cell is cut again, which would make up for what is lost."""
    monkeypatch.setattr(_certified, "_ROUNDS", 1)
    monkeypatch.setattr(_narrower, "_AFTER", {4: 4})


def proved(seed, method="crown", split=PHASES, **options: Any):
    layers = small.layers_of(seed)
    box = tl.box(*(jnp.asarray(end, jnp.float32) for end in (small.LO, small.HI)))
    rows = np.array([[1.0, -0.5], [-0.25, 1.0]], np.float32)
    least = [float(small._least(layers, row)) for row in rows]
    spec = tl.spec.linear(rows, np.asarray(least) - 0.02)
    options |= {"method": method, "attack": False, "certificate": True}
    return tl.verify(small.network, (layers, box), spec, split=split, **options)


def lemmas_of(certificate) -> list[int]:
    """How many lemmas each block of a certificate has."""
    with zipfile.ZipFile(io.BytesIO(certificate.bytes)) as archive:
        proof = json.loads(archive.read("manifest.json"))["proof"]
    return [len(case["lemmas"]) for case in proof if "lemmas" in case]


def certificates_are_as_good(methods=("crown",)):
    for seed in SEEDS:
        for method in methods:
            verdict = proved(seed, method)
            assert verdict.status == "proved" and verdict.certificate is not None
            report = torchlean_check.check(verdict.certificate.bytes)
            blocks = lemmas_of(verdict.certificate)
            # two layers come after the first; by alpha-crown before any cut as well
            assert len(blocks) == (4 if method == "alpha-crown" else 2)
            assert report.accepted and sum(blocks) > 8
            assert report.leaves > sum(blocks) + verdict.parts // 2
            # multipliers of what is not a lemma were rounded to few bits
            assert float(report.margin_decimal) > 0.9 * verdict.margin


def test_certificates_are_as_good_as_the_search():
    certificates_are_as_good(("crown", "alpha-crown"))


@pytest.mark.parametrize(
    ("module", "sound", "faulty"),
    [
        (_lemmas, '"at_most": side < 0', '"at_most": side > 0'),
        (_lemmas, 'side < 0, "at": at', 'side < 0, "at": -at'),
        (_lemmas, "k = places[node]", "k = 0"),
        (_lemmas, "[float(w) for", "[0.0 * float(w) for"),
        (_lemmas, "block.slopes[:, here]", "1 - block.slopes[:, here]"),
        (_lemmas, "for root in block.roots", "for root in block.roots[::-1]"),
        (_settled, "& (least > self.best)", "& (least < np.inf)"),
        (  # ends that were not kept as lemmas
            _settled,
            "for side, end, old_end in zip((1, -1), ends, start, strict=True):",
            "kept = kept[:1]\n        for side, end, old_end in ():",
        ),
    ],
)
def test_numbers_in_a_wrong_place_are_noticed(module, sound, faulty, monkeypatch):
    with planted(module, sound, faulty):
        monkeypatch.setattr(_cells, "lemma_cases", _lemmas.lemma_cases)
        monkeypatch.setattr(_narrower, "settled", _settled.settled)
        assert notices(certificates_are_as_good)


@pytest.mark.parametrize(
    "changed",
    [
        lambda rows: {"weights": 0 * rows["weights"]},
        lambda rows: {"weights": rows["weights"][:, ::-1]},
        lambda rows: {"slopes": 1 - rows["slopes"]},
        lambda rows: {"node": rows["node"][::-1]},
    ],
)
def test_leaves_of_others_are_noticed(changed, monkeypatch):
    kept = found_lemmas.Leaves.of
    other = lambda leaves, searches: (rows := kept(leaves, searches)) | changed(rows)
    monkeypatch.setattr(found_lemmas.Leaves, "of", other)
    assert notices(certificates_are_as_good)


def test_a_search_that_goes_on_from_a_file_keeps_its_lemmas(tmp_path):
    short = Branching(cut="phases", batch=8, most_parts=8)
    for split, status in ((short, "unknown"), (PHASES, "proved")):
        verdict = proved(SEEDS[0], split=split, resume=tmp_path / "search")
        assert verdict.status == status
    assert verdict.certificate is not None, verdict.why_no_certificate
    assert len(lemmas_of(verdict.certificate)) == 2  # found once


@pytest.mark.parametrize("name", ["0.node", "0.tree.lower", "ends.lo", "lemmas"])
def test_a_file_without_them_is_refused(tmp_path, name):
    file = tmp_path / "search"
    proved(SEEDS[0], split=Branching(cut="phases", batch=8, most_parts=8), resume=file)
    with np.load(file) as archive:
        members = dict(archive)
    (lost,) = [n for n in members if n.partition(".")[2] == name]
    del members[lost]
    with file.open("wb") as stream:
        np.savez(stream, **members)
    with pytest.raises(tl.FileFormatError, match="no state of a search"):
        proved(SEEDS[0], resume=file)


def test_lemmas_beyond_the_memory_are_dropped(monkeypatch):
    """The proof stands, without a certificate."""
    size = property(lambda block: 2**40)
    monkeypatch.setattr(found_lemmas.Lemmas, "size", size)
    verdict = proved(SEEDS[0])
    assert verdict.status == "proved" and verdict.certificate is None
    assert "memory" in str(verdict.why_no_certificate)


def test_executions_have_them_too():
    verdict = proved(SEEDS[1], semantics="fp32", errors=ErrorModel.xla_cpu())
    assert verdict.certificate is not None, verdict.why_no_certificate
    assert len(lemmas_of(verdict.certificate)) == 2
    assert torchlean_check.check(verdict.certificate.bytes).accepted
