"""Leaves that a search proves and the checker does not are cut again.

The oracle is the checker: it shares no code with the search, and accepts a tree if its
cuts cover the set and each leaf is derived.
"""

import math
import sys

import jax.numpy as jnp
import numpy as np
import pytest

import torchlean_check
import torchlean_jax as tl
from tests.search.faults import notices, planted
from tests.torchlean_check import test_jobs
from torchlean_jax import _certified
from torchlean_jax._bounds import how
from torchlean_jax._question import question
from torchlean_jax.certificate import _cells as _file_cells
from torchlean_jax.certificate import _writer
from torchlean_jax.domains._errors import CertificateWriteError
from torchlean_jax.search import Branching, _boxes, _cells, _tree
from torchlean_jax.search._region import Region

BOXES = Branching(batch=2, most_parts=200)
CELLS = Branching(cut="phases", batch=16, most_parts=200)


def hollow(x):
    """At least 0.05, at 0.5; on [a, b], intervals say no more than a**2 - b + 0.3."""
    return x * x - x + 0.3


def by_boxes(**options):
    """Bounded by lines, and recorded as if intervals had done."""
    box, spec = tl.box(0.0, 1.0), tl.spec.linear([1.0])
    with pytest.MonkeyPatch.context() as patched:
        patched.setitem(_writer._METHODS, "crown", "ibp")
        return tl.verify(hollow, box, spec, split=BOXES, attack=False, **options)


def by_cells(**options):
    """Above a bound by 1e-5, and recorded with slopes of few bits, which costs more:
    the best ones are 0.7 and 1."""
    weights = (
        np.array([[1, -1], [0.25, -0.5]], np.float32),
        np.array([[1], [0.7]], np.float32),
    )
    args = weights, tl.box(*np.array([[-1, -0.5], [1, 0.5]], np.float32))
    asked = {"method": "alpha-crown", "split": CELLS, "attack": False}
    spare = tl.verify(two_relus, args, tl.spec.linear([1.0], -6.0), **asked).margin
    spec = tl.spec.linear([1.0], spare - 6.0 - 1e-5)
    exact = _file_cells._short_slopes
    coarse = lambda *given: (np.round(16 * exact(*given)) / 16).astype(np.float16)
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(_file_cells, "_short_slopes", coarse)
        return tl.verify(two_relus, args, spec, **asked, **options)


def two_relus(weights, x):
    first, second = weights
    return jnp.maximum(jnp.dot(x, first, precision="highest") + 0.5, 0) @ second


def check(by, monkeypatch):
    """A certificate where there was none, of a tree that has no more leaves than
    halving asks for."""
    with monkeypatch.context() as patched:
        patched.setattr(_certified, "_ROUNDS", 1)
        before = by()
    assert before.status == "proved" and before.certificate is None
    assert "do not reach the claim" in str(before.why_no_certificate)
    found = by()
    assert found.status == "proved" and found.certificate, found.why_no_certificate
    report = torchlean_check.check(found.certificate.bytes)
    assert report.accepted and report.leaves == (found.parts + 1) // 2
    assert found.parts > before.parts and report.leaves <= MOST[by]
    assert 0 < found.margin <= before.margin


# Halving [0, 1] until a**2 - b + 0.3 > 0 takes 15; the search made its own cuts
MOST = {by_boxes: 24, by_cells: 3}


@pytest.mark.parametrize("by", MOST)
def test_a_proof_of_smaller_parts_is_written(by, monkeypatch):
    check(by, monkeypatch)


@pytest.mark.parametrize("jobs", [1, 2])
def test_the_writer_says_which_leaves_are_missed(jobs):
    asks = _writer._accepted
    assert asks(test_jobs.cut(), math.inf, jobs).accepted
    with pytest.raises(_writer.MissedLeaves, match=r"proof\[") as caught:
        asks(test_jobs.cut([1, 5]), math.inf, jobs)
    assert caught.value.leaves == [1, 5]
    with pytest.raises(CertificateWriteError, match="no time left"):
        asks(test_jobs.cut(), -math.inf, jobs)


def boxes():
    """A kind, and what its `split` wants to know of n parts."""
    random = np.random.default_rng(0)
    given = tl.box(np.zeros(3), np.ones(3)), tl.spec.linear([1.0])
    asked = question(lambda x: x.sum(), *given, "real", None, None)
    kind = _boxes.Boxes(asked.model, asked.args, asked.formula, how("crown"), 4)
    return kind, lambda rows: {"slopes": random.uniform(size=rows["lo"].shape)}


def cells():
    """Of a ReLU, whose cut is its kink, and of a tanh, which is cut anywhere."""
    random = np.random.default_rng(0)
    f = lambda x: jnp.maximum(x[:3], 0) + jnp.tanh(x[3:])
    given = tl.box(-np.ones(6), np.ones(6)), tl.spec.linear([1.0, 1.0, 1.0])
    asked = question(f, *given, "real", None, None)
    region, formula = Region(asked.model, asked.args, "crown"), asked.formula
    kind = _cells.Cells(region, formula.rows, formula.offset, keeps=True)

    def extra(rows):
        free = np.where(
            rows["phases"] == 0, random.uniform(size=(len(rows["lo"]), 6)), 0
        )
        best = np.argmax(free, 1)
        at = (np.take_along_axis(rows[n], best[:, None], 1)[:, 0] for n in ("lo", "hi"))
        middle = np.mean([*at], axis=0, dtype=np.float32).astype(float)
        kept = {n: a for n, a in rows.items() if n.startswith("choice")}
        return kept | {"best": best, "at": middle}

    return kind, extra


def check_parts(of):
    """What is made of the cuts above a part is that part."""
    kind, extra = of()
    tree, rows = _tree.Tree(), kind.root() | {"node": np.zeros(1, int)}
    for _ in range(5):
        can, splits, *halves = kind.split(rows, extra(rows))
        assert can.all()
        lower = tree.split(rows["node"], splits)
        both = [rows | h | {"node": lower + k} for k, h in enumerate(halves)]
        rows = {n: np.concatenate([h[n] for h in both]) for n in both[0]}
    assert len(rows["node"]) == 32
    for k, path in enumerate(tree.above(rows["node"])):
        assert len(path) == 5
        for name, array in kind.part(path).items():
            if not name.startswith("choice"):  # of which any is right
                np.testing.assert_array_equal(array[0], rows[name][k])


@pytest.mark.parametrize("of", [boxes, cells])
def test_a_part_is_found_again_by_its_cuts(of):
    check_parts(of)


@pytest.mark.parametrize(
    "of, user, name, sound, faulty",
    [
        (boxes, _boxes.Boxes, "part", 'rows["lo" if is_upper else "hi"][0, axis] = at',
         'rows["hi" if is_upper else "lo"][0, axis] = at'),
        (boxes, _tree.Tree, "_path", "node != self._lower[up]", "True"),
        (cells, _cells.Cells, "part", "before, 1 if is_upper else -1", "before, 1"),
        (cells, _cells.Cells, "part", "if self._bends[part]", "if False"),
    ],
)  # fmt: skip
def test_a_fault_is_noticed(of, user, name, sound, faulty, monkeypatch):
    module = sys.modules[user.__module__]
    with planted(module, sound, faulty):
        wrong = vars(getattr(module, user.__name__))[name]
    monkeypatch.setattr(user, name, wrong)
    assert notices(check_parts, of)
