"""Changed certificates of cameras: whatever is accepted holds at points, exactly."""

import json
import random
from fractions import Fraction

import pytest

import torchlean_check
from tests.science.test_lens import shown, turned
from tests.torchlean_check.test_fuzz import mutate
from torchlean_check import _cameras, _visibility
from torchlean_check._container import canonical_json
from torchlean_jax.science import Cameras, Mesh, envelope, visible

NUMBERS = ["0", "1", "-1", "1/2", "-1/3", "7", "-9", "1/1000", "100"]
LONG = ["9" * 1199, "1/" + "7" * 1199]
COUNT = 900


def documents():
    """Small ones, of every kind: a box, a mesh, and what is in view."""
    cameras = Cameras(
        ((1, 0, "-1/8", 0), (1, 0, "1/8", 0)),
        ((0, 0, 4), (0, "1/4", 4)),
        ((1, 1), (1, "9/8")),
        ((0, 0), (0, 0)),
        distortion=(("-1/8", "1/16", 0, 0, 0), ("1/8", "1/16", "1/64", 0, 0)),
    )
    corners = [(0, 0, 0), (1, 0, 0), (0, 1, 1), (20, 0, 4), (20, 1, 4), (20, 0, 5)]
    mesh = Mesh(corners, [(0, 1, 2), (3, 4, 5)])
    window = (-1, -1), (1, 1)
    box = (0, 0, 0), (1, 1, 1)
    plain = Cameras(((1, 0, 0, 0), (1, 0, "1/9", 0)), ((0, 0, 4),) * 2, ((1, 1),) * 2)
    yield envelope(box, cameras, splits=2, pieces=1).document
    yield envelope(box, plain, splits=1).document
    yield envelope(Mesh(corners[:3], [(0, 1, 2)]), cameras, splits=2).document
    for given in (cameras, plain):
        document = visible(mesh, given, window, splits=2).document
        assert document is not None
        yield document


def ranges(document, name):
    ends = document[name]["lo"], document[name]["hi"]
    return [(Fraction(a), Fraction(b)) for a, b in zip(*ends, strict=True)]


def within(rng, pairs):
    return [a + (b - a) * Fraction(rng.choice((0, 0, 1, 2, 2)), 2) for a, b in pairs]


def corners_of(document):
    if document.get("mesh") is None:
        box = ranges(document, "box")
        yield [[box[k][i >> k & 1] for k in range(3)] for i in range(8)], None
        return
    vertices = [list(map(Fraction, v)) for v in document["mesh"]["vertices"]]
    for number, triangle in enumerate(document["mesh"]["triangles"]):
        yield [vertices[k] for k in triangle], number


def false(document, rng) -> bool:
    """Whether a random point seen by a random camera contradicts the document."""
    side = 1 if document["convention"] == "opencv" else -1
    window = ranges(document, "image" if "image" in document else "view")
    for corners, number in corners_of(document):
        for _ in range(12):
            weights = [rng.choice((0, 0, 1)) for _ in corners]
            weights = weights if any(weights) else [1] * len(corners)
            p = [
                sum(w * c[k] for w, c in zip(weights, corners, strict=True))
                / Fraction(sum(weights))
                for k in range(3)
            ]
            q, t, focal, center, lens = (
                within(rng, ranges(document, name))
                for name in (
                    "quaternion",
                    "translation",
                    "focal",
                    "center",
                    "distortion",
                )
            )
            x, y, z = (a + b for a, b in zip(turned(q, p), t, strict=True))
            depth = side * z
            seen = depth > 0
            if seen:
                u, v = shown(x / depth, side * y / depth, *lens)
                at = focal[0] * u + center[0], focal[1] * v + center[1]
                pairs = zip(at, window, strict=True)
                seen = all(a <= value <= b for value, (a, b) in pairs)
            if "image" in document:
                if not seen or depth < Fraction(document["depth"]):
                    return True
            elif number in document["inside" if not seen else "outside"]:
                return True
    return False


@pytest.fixture(scope="module")
def originals():
    return list(documents())


def accepted(originals, count):
    """Changed documents that the checker takes; it must answer to all of them."""
    rng = random.Random(7)
    for _ in range(count):
        document = json.loads(rng.choice(originals))
        sets = [v for v in document.values() if type(v) is dict and "lo" in v]
        for _ in range(rng.choice((0, 1, 1, 2))):
            end = rng.choice(sets)[rng.choice(("lo", "hi"))]
            end[rng.randrange(len(end))] = rng.choice(
                NUMBERS if rng.randrange(9) else LONG
            )
        if not rng.randrange(3):
            mutate(document, rng)
        try:
            if torchlean_check.check(canonical_json(document)).accepted:
                yield document
        except torchlean_check.CertificateError as error:
            assert str(error)


def test_what_is_accepted_is_true(originals):
    rng = random.Random(8)
    assert not any(false(json.loads(document), rng) for document in originals)
    changed = list(accepted(originals, COUNT))
    assert len(changed) > 30  # beyond the parser, and beyond what changes nothing
    assert not any(false(document, rng) for document in changed)


FAULTS = {
    "any depth": (_cameras, "_require", lambda view, *rest: None),
    "the lens left out": (
        _cameras,
        "distorted",
        lambda lens, x, y, pieces: [x, y],
    ),
    "all to one side": (_visibility, "outside", lambda view, window: True),
    "a corner of each cell": (
        _cameras,
        "cells",
        lambda pairs, counts: [[(a, a) for a, _ in pairs]],
    ),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_checker_that_accepts_too_much_is_noticed(fault, originals, monkeypatch):
    part, name, broken = FAULTS[fault]
    broken.__name__ = name
    monkeypatch.setattr(part, name, broken)
    rng = random.Random(8)
    assert any(false(document, rng) for document in accepted(originals, COUNT))
