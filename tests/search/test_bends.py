"""The search over cells where what bends is no ReLU: tanh, products, maxima.

The oracle is the least value at the points of a fine grid, by NumPy: a property that
fails at one of them is never proved. Points are in single precision, so they are in the
box, and values in double precision are off by far less than `ABOVE`.
"""

import json

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

import torchlean_check
import torchlean_jax as tl
from tests.search.faults import notices, planted
from tests.torchlean_check.builder import archive, canonical, members_of
from torchlean_jax import _parts
from torchlean_jax.search import Branching, _cells

LO, HI = np.array((-1.0, -0.75), np.float32), np.array((1.25, 1.0), np.float32)
AXES = (np.linspace(a, b, 201, dtype=np.float32) for a, b in zip(LO, HI, strict=True))
GRID = np.stack([g.ravel() for g in np.meshgrid(*AXES)], axis=1).astype(np.float64)
ABOVE = 1e-3
BELOW = 0.5  # what some dozens of cells reach, of rows that vary by about 4
CELLS = Branching(cut="phases", batch=16, most_parts=200)


def network(weights, x, np=jnp):
    """A tanh, then a product and a maximum of two values each."""
    first, second = weights
    b = np.tanh(x @ first) @ second
    return np.stack([b[..., 0] * b[..., 1], np.maximum(b[..., 2], b[..., 3])], axis=-1)


def question(seed):
    """Weights, a row, and the least that it is on the grid."""
    random = np.random.default_rng(seed)
    weights = tuple(
        (scale * random.normal(size=shape)).astype(np.float32)
        for scale, shape in ((1.5, (2, 4)), (1.0, (4, 4)))
    )
    row = random.normal(size=2).astype(np.float32)
    exact = [w.astype(np.float64) for w in weights]
    return weights, row, float((network(exact, GRID, np) @ row).min())


def decided(weights, row, level, **options):
    box = tl.box(jnp.asarray(LO), jnp.asarray(HI))
    options = {"split": CELLS, "attack": False, "certificate": True} | options
    spec = tl.spec.linear(row, np.float32(level))
    with jax.default_matmul_precision("highest"):
        return tl.verify(network, (weights, box), spec, **options)


def check_answers():
    """Proved below the least value, which one pass of bounds is not; never above it."""
    weights, row, least = question(0)
    assert decided(weights, row, least - BELOW, split=False).status == "unknown"
    options = {"certificate": False}
    below = decided(weights, row, least - BELOW, **options)
    assert below.status == "proved" and below.parts > 1
    assert decided(weights, row, least + ABOVE, **options).status == "unknown"


def test_answers_agree_with_a_fine_grid():
    check_answers()


def test_answers_agree_where_enclosures_are_narrowed_at_once(monkeypatch):
    monkeypatch.setattr(_cells, "_NARROWED_EVERY", 0)
    weights, row, least = question(0)
    options = {"certificate": False}
    assert decided(weights, row, least - BELOW, **options).status == "proved"
    assert decided(weights, row, least + ABOVE, **options).status == "unknown"


def pooled(weights, x):
    """The largest of each window of a picture."""
    first, second = weights
    windows = 1, 2, 2, 1
    picture = (x @ first).reshape(1, 4, 4, 1)
    most = lax.reduce_window(picture, -jnp.inf, lax.max, windows, windows, "VALID")
    return most.reshape(4) @ second


def test_windows_of_a_pool_are_cut():
    """The oracle is the least of many points: the least of all is no higher."""
    random = np.random.default_rng(5)
    weights = [
        random.normal(size=shape).astype(np.float32) for shape in ((4, 16), (4, 1))
    ]
    points = random.uniform(-1, 1, (100_000, 4))
    hidden = (points @ weights[0].astype(float)).reshape(-1, 2, 2, 2, 2)
    least = float((hidden.max((2, 4)).reshape(-1, 4) @ weights[1]).min())
    box = tl.box(-np.ones(4, np.float32), np.ones(4, np.float32))

    def status(level, **options):
        options = {"attack": False, "certificate": False} | options
        spec = tl.spec.linear([1.0], np.float32(level))
        with jax.default_matmul_precision("highest"):
            return tl.verify(pooled, (weights, box), spec, **options).status

    assert status(least - BELOW, split=False) == "unknown"
    assert status(least - BELOW, split=CELLS) == "proved"
    assert status(least + ABOVE, split=CELLS) == "unknown"


@pytest.mark.parametrize(
    "sound, faulty",
    [
        ("half[end][which[bent], index[bent]] = at[bent]",
         "half[end][which[bent], index[bent]] = at[bent] + 0.3 * phase"),
        ('end = "hi" if phase < 0 else "lo"', 'end = "hi"'),
    ],
)  # fmt: skip
def test_a_half_that_is_too_short_is_noticed(sound, faulty):
    with planted(_cells, sound, faulty, keep=("Region",)):
        sound_kind, _parts.Cells = _parts.Cells, _cells.Cells
        try:
            assert notices(check_answers)
        finally:
            _parts.Cells = sound_kind


@pytest.fixture(scope="module")
def proof():
    weights, row, least = question(0)
    verdict = decided(weights, row, least - BELOW)
    assert verdict.certificate is not None, verdict.why_no_certificate
    return verdict


def test_the_checker_derives_what_the_search_had(proof):
    report = torchlean_check.check(proof.certificate.bytes)
    assert report.accepted and report.leaves == (proof.parts + 1) // 2


def changed(proof, change) -> bytes:
    members = members_of(proof.certificate.bytes)
    manifest = json.loads(members["manifest.json"])
    change(manifest["proof"])
    return archive(members | {"manifest.json": canonical(manifest)})


def _moved(cases):
    """One cut far away: the other half is everything."""
    cut = next(c["split"] for c in cases if "split" in c)
    cut["at"] = [1, 20]


def _missing(cases):
    """One side left out."""
    cases.pop()


def _negative(cases):
    row = next(r for c in cases if "final" in c for r in c["split_multipliers"] if r)
    row[0] = [-1, 3]


@pytest.mark.parametrize(
    "change, words",
    [(_moved, "bound"), (_missing, "lacks"), (_negative, "negative")],
)
def test_changed_copies_are_refused(proof, change, words):
    assert torchlean_check.check(changed(proof, lambda cases: None)).accepted
    assert words in refusal(changed(proof, change))


def refusal(blob) -> str:
    try:
        report = torchlean_check.check(blob)
    except torchlean_check.CertificateError as error:
        return str(error)
    assert not report.accepted
    return report.reason
