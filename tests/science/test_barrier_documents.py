"""Certificates of disturbed loops, beside one whose every fact is known exactly.

x' = -x + J x + (w, 0), J a quarter turn, and V = |x|^2: the rate -2 |x|^2 + 2 x_0 w can
be 0 or more for some |w| <= r exactly where |x| <= r, on every circle that small.
"""

import json
import random
from fractions import Fraction

import jax.numpy as jnp
import pytest

import torchlean_check
import torchlean_jax as tl
from tests.torchlean_check.test_fuzz import mutate
from torchlean_check import _barriers, _cells
from torchlean_check._container import canonical_json
from torchlean_check._errors import MalformedCertificate
from torchlean_jax.science import barrier_document

COUNT = 120
ASKED = {
    "level": 1.5,
    "inner": 0.25,
    "disturbance": [0.25],
    "start": ([-0.5, -0.5], [0.5, 0.75]),
    "avoid": ([1.0, 1.0], [1.5, 3.0]),
}


def pushed(x, w):
    return -x + jnp.stack([w[0] - x[1], x[0]])


def square(x):
    return x @ x


@pytest.fixture(scope="module")
def original():
    return barrier_document(pushed, square, [-2.0, -1.5], [2.0, 1.5], **ASKED)


@pytest.fixture(autouse=True)
def few_cells(monkeypatch):
    """Before a claim is given up: what is true here takes fewer."""
    monkeypatch.setattr(_barriers, "MAX_CELLS", 600)


@pytest.fixture
def fewer_cells(monkeypatch, few_cells):
    """The original takes these."""
    monkeypatch.setattr(_barriers, "MAX_CELLS", 150)


def box_of(entry):
    return [tuple(map(Fraction, x)) for x in zip(entry["lo"], entry["hi"], strict=True)]


def nearest(box) -> Fraction:
    """The least |x|^2."""
    least = (Fraction(0) if a <= 0 <= b else min(a * a, b * b) for a, b in box)
    return sum(least, Fraction(0))


def farthest(box) -> Fraction:
    return sum((max(a * a, b * b) for a, b in box), Fraction(0))


def false(document) -> bool:
    """Of documents whose programs are still those."""
    box = box_of(document["box"])
    level, inner = Fraction(document["level"]), Fraction(document["inner"])
    (reach,) = map(Fraction, document["disturbance"])
    faces = ([*box[:k], (end, end), *box[k + 1 :]] for k in range(2) for end in box[k])
    if min(map(nearest, faces)) <= level:
        return True
    inside = all(a <= 0 <= b for a, b in box)
    if inside and max(inner, Fraction(0)) <= min(level, reach**2):
        return True
    if document["start"] is not None:
        start = box_of(document["start"])
        beyond = any(lo < a or b < hi
                     for (lo, hi), (a, b) in zip(start, box, strict=True))  # fmt: skip
        if beyond or farthest(start) > level:
            return True
    if document["avoid"] is None:
        return False
    pairs = zip(box_of(document["avoid"]), box, strict=True)
    met = [(max(lo, a), min(hi, b)) for (lo, hi), (a, b) in pairs]
    return all(lo <= hi for lo, hi in met) and nearest(met) <= level


def test_what_is_written_is_accepted_and_true(original):
    report = torchlean_check.check(original)
    assert report.accepted and not false(json.loads(original))
    for words in ("Whatever w does", "comes to {V <= 1/4}", "in the set", "not meet"):
        assert words in report.claim


# exactly where each fact ends, and a little on either side
@pytest.mark.parametrize(
    ("change", "holds"),
    [
        ({"level": "9/4"}, False),
        ({"level": "287/128"}, True),
        ({"disturbance": ["1/2"]}, False),
        ({"disturbance": ["15/32"]}, True),
        ({"level": "13/16"}, True),
        ({"level": "103/128"}, False),
        ({"level": "2"}, False),
        ({"level": "255/128"}, True),
        ({"avoid": {"lo": ["3", "0"], "hi": ["4", "0"]}, "level": "2"}, True),
    ],
)
def test_each_fact_is_decided_up_to_where_it_ends(change, holds, original):
    """At 9/4 the circle meets a face; the rate is 0 where |x| = r = 1/2; the corner of
    `start` has |x|^2 = 13/16, that of `avoid` 2."""
    document = json.loads(original) | {"avoid": None} | change
    if "level" in change and change["level"] in ("2", "255/128"):
        document["avoid"] = change.get("avoid", json.loads(original)["avoid"])
    assert torchlean_check.check(canonical_json(document)).accepted == holds
    assert false(document) == (not holds)


def test_a_barrier_asks_only_where_v_is_the_level(original):
    """With a wind of 1 the rate is 0 or more within the unit circle, not beyond."""
    document = json.loads(original) | {"disturbance": ["1"], "inner": "3/2"}
    report = torchlean_check.check(canonical_json(document))
    assert report.accepted and "comes to" not in report.claim
    document["inner"] = "1"
    assert not torchlean_check.check(canonical_json(document)).accepted


NUMBERS = ["0", "1", "-1", "1/2", "-1/3", "7/4", "3/2", "2", "-2", "9/4", "1/1000"]


def accepted(original):
    """Changed documents that the checker takes; it must answer to all of them."""
    rng = random.Random(3)
    for _ in range(COUNT):
        document = json.loads(original)
        for name in ("start", "avoid"):
            if rng.randrange(3):
                document[name] = None
        kind = rng.randrange(4)
        if kind == 0:
            document[rng.choice(("level", "inner"))] = rng.choice(NUMBERS)
        elif kind == 1:
            document["disturbance"] = [rng.choice(NUMBERS)]
        elif kind == 2:
            part = document[rng.choice(("box", "start", "avoid"))] or document["box"]
            part[rng.choice(("lo", "hi"))][rng.randrange(2)] = rng.choice(NUMBERS)
        else:
            kept = [document["field"], document["function"]]
            mutate(document, rng)
            if [document.get("field"), document.get("function")] != kept:
                continue
        try:
            if torchlean_check.check(canonical_json(document)).accepted:
                yield document
        except torchlean_check.CertificateError as error:
            assert str(error)


def test_what_is_accepted_of_changed_documents_is_true(original, fewer_cells):
    changed = list(accepted(original))
    assert len({canonical_json(document) for document in changed}) > 15
    assert not any(map(false, changed))


def _undisturbed(self, cell):
    return _barriers.bounds(
        self.loop, [*cell, *((Fraction(0), Fraction(0)) for _ in self.reach)]
    )


FAULTS = {
    "faces": (_barriers, "walls", lambda box: []),
    "the disturbance": (_barriers.Disturbed, "bounds", _undisturbed),
    "halves": (_cells, "cut", lambda cell, box, cut=_cells.cut: cut(cell, box)[1:]),
    "start": (_barriers, "require_start", lambda *_: None),
    "avoid": (_barriers, "require_avoided", lambda *_: None),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_checker_that_forgets_would_be_noticed(
    fault, original, fewer_cells, monkeypatch
):
    monkeypatch.setattr(*FAULTS[fault])
    assert any(map(false, accepted(original)))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"size": 9}, "1 to 8"),
        ({"version": 2}, "version 1"),
        ({"inner": "2"}, "at most the level"),
        ({"disturbance": ["-1"]}, "none below 0"),
        ({"disturbance": []}, "names nothing"),
        ({"box": {"lo": ["0", "0"], "hi": ["0", "1"]}}, "an inside"),
        ({"start": 1}, "start"),
    ],
)
def test_documents_that_are_none_are_refused(change, said, original):
    with pytest.raises(MalformedCertificate, match=said):
        torchlean_check.check(canonical_json(json.loads(original) | change))


@pytest.mark.parametrize(
    ("more", "error", "said"),
    [
        ({"inner": 2.0}, tl.InputError, "inner must be in"),
        ({"disturbance": [-1.0]}, tl.InputError, "0 or more"),
        ({"disturbance": [1.0]}, tl.CertificateWriteError, "its rate in"),
        ({"level": 2.5, "avoid": None}, tl.CertificateWriteError, "on a face"),
        ({"level": 0.75, "avoid": None}, tl.CertificateWriteError, "of `start`"),
    ],
)
def test_questions_without_an_answer_are_refused(more, error, said):
    with pytest.raises(error, match=said):
        barrier_document(pushed, square, [-2.0, -1.5], [2.0, 1.5], **(ASKED | more))
