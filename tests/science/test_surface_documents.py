"""Certificates of where a surface is not, beside a sphere whose points are known."""

import json
import random
from fractions import Fraction

import jax
import jax.numpy as jnp
import mpmath
import numpy as np
import pytest

import torchlean_check
import torchlean_jax as tl
from tests.torchlean_check.test_fuzz import mutate
from torchlean_check import _surfaces
from torchlean_check._container import canonical_json
from torchlean_check._errors import MalformedCertificate
from torchlean_jax.science import surface_document

RAYS = [[1.0, 0.0], [1.0, 0.25], [1.0, 1.0]]  # from (-2, 0); the last one misses
COUNT = 600


def circle(x):
    return x @ x - 1.0


@pytest.fixture(scope="module")
def original():
    return surface_document(
        *(circle, [-1.5, -1.5], [1.5, 1.5]),
        rounds=8,
        origin=[-2.0, 0.0],
        directions=RAYS,
        far=4.0,
        tolerance=2.0**-6,
    )


def free_parts(document):
    """The boxes that a tree calls free, read here by recursion."""
    letters = iter(document["tree"])
    ends = document["box"]["lo"], document["box"]["hi"]

    def walk(box):
        letter = next(letters)
        if letter == "f":
            yield box
        elif letter != "o":
            k = int(letter)
            lo, hi = box[k]
            for half in ((lo, (lo + hi) / 2), ((lo + hi) / 2, hi)):
                yield from walk([*box[:k], half, *box[k + 1 :]])

    yield from walk([tuple(map(Fraction, x)) for x in zip(*ends, strict=True)])


def meets_circle(box) -> bool:
    """Exactly, by the least and the largest distance from 0."""
    near = sum(0 if a <= 0 <= b else min(a * a, b * b) for a, b in box)
    return near <= 1 <= sum(max(a * a, b * b) for a, b in box)


def false_ray(ray) -> bool:
    """|o + t d|^2 - 1, a polynomial in t, has a root up to the last end, or none up to
    where one is claimed. Roots are looked for by signs and by the vertex."""
    o, d = ([Fraction(x) for x in ray[k]] for k in ("origin", "direction"))
    a, b = sum(x * x for x in d), 2 * sum(x * y for x, y in zip(o, d, strict=True))
    at = lambda t: a * t * t + b * t + sum(x * x for x in o) - 1

    def has_root(end):
        vertex = min(max(-b / (2 * a), Fraction(0)), end)
        values = [at(t) for t in (Fraction(0), vertex, end)]
        return min(values) <= 0 <= max(values)

    met = ray["met"]
    return has_root(Fraction(ray["ends"][-1])) or (
        met is not None and not has_root(Fraction(met))
    )


def false(document) -> bool:
    """Of documents whose function is still the circle's."""
    return any(map(meets_circle, free_parts(document))) or any(
        map(false_ray, document["rays"])
    )


def test_what_is_written_is_accepted_and_true(original):
    report = torchlean_check.check(original)
    assert report.accepted and "no zero in" in report.claim
    document = json.loads(original)
    parts = list(free_parts(document))
    assert len(parts) == document["tree"].count("f") and not false(document)
    # cells as small as the smallest that do not meet the circle are mostly free
    size = Fraction(3, 16)
    cells = [
        [(i * size, i * size + size), (k * size, k * size + size)]
        for i in range(-8, 8)
        for k in range(-8, 8)
    ]
    clear = sum(not meets_circle(cell) for cell in cells)
    volume = sum(((b - a) * (d - c) for (a, b), (c, d) in parts), Fraction(0))
    assert 0.9 * clear * size**2 < volume <= clear * size**2
    assert [ray["met"] is None for ray in document["rays"]] == [False, False, True]
    first = document["rays"][0]
    assert Fraction(first["met"]) - Fraction(first["ends"][-1]) < Fraction(1, 16)
    assert document["rays"][2]["ends"][-1] == "4"


NUMBERS = ["0", "1", "-1", "1/2", "-1/3", "7", "15/16", "17/16", "1/1000"]


def accepted(original):
    """Changed documents that the checker takes; it must answer to all of them."""
    rng = random.Random(5)
    for _ in range(COUNT):
        document = json.loads(original)
        document["rays"] = document["rays"][: rng.choice((0, 1, 3))]
        kind = rng.randrange(4)
        if kind == 0:
            tree = list(document["tree"])
            tree[rng.randrange(len(tree))] = rng.choice("fo01")
            document["tree"] = "".join(tree)
        elif kind == 1:
            end = document["box"][rng.choice(("lo", "hi"))]
            end[rng.randrange(2)] = rng.choice(NUMBERS)
        elif kind == 2 and document["rays"]:
            ray = rng.choice(document["rays"])
            change = rng.choice(("met", "ends", "origin", "direction"))
            if change == "met":
                ray["met"] = rng.choice([*NUMBERS, "3/2", "13/4", None])
            else:
                ray[change][rng.randrange(len(ray[change]))] = rng.choice(NUMBERS)
        else:
            kept = document["function"]
            mutate(document, rng)
            if type(document) is not dict or document.get("function") != kept:
                continue
        try:
            if torchlean_check.check(canonical_json(document)).accepted:
                yield document
        except torchlean_check.CertificateError as error:
            assert str(error)


def test_what_is_accepted_of_changed_documents_is_true(original):
    changed = list(accepted(original))
    assert len({canonical_json(document) for document in changed}) > 30
    assert not any(map(false, changed))


FAULTS = {
    "a sign of the farther end": lambda x: 1 if x[1] > 0 else -1,
    "a sign of the middle": lambda x: 1 if x[0] + x[1] > 0 else -1,
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_checker_that_accepts_too_much_is_noticed(fault, original, monkeypatch):
    monkeypatch.setattr(_surfaces, "sign", FAULTS[fault])
    assert any(map(false, accepted(original)))


def test_values_at_middles_alone_would_be_noticed(original, monkeypatch):
    right = _surfaces.values_of
    monkeypatch.setattr(
        _surfaces, "_enclosed", lambda f, _, middles, *rest: right(f, middles)[0]
    )
    assert any(map(false, accepted(original)))


def changed(original, **parts):
    return canonical_json(json.loads(original) | parts)


def test_cells_that_meet_the_surface_are_refused_one_by_one(original):
    """Wherever an open cell is called free and has a point of the circle."""
    tree = json.loads(original)["tree"]
    places = [k for k, letter in enumerate(tree) if letter == "o"]
    for k in places[:: len(places) // 12]:
        report = torchlean_check.check(
            changed(original, tree=tree[:k] + "f" + tree[k + 1 :], rays=[])
        )
        assert not report.accepted and "f is in [" in report.reason


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda tree: tree[:-1], "parts of the box are missing"),
        (lambda tree: tree + "o", "after the last part"),
        (lambda tree: tree.replace("0", "2", 1), "coordinates of cuts"),
        (lambda tree: "0" * 300, "coordinates of cuts"),
        (lambda tree: "", "letters"),
        (lambda tree: "o", "a free part or a ray"),
    ],
)
def test_trees_that_are_none_are_refused(change, said, original):
    tree = change(json.loads(original)["tree"])
    with pytest.raises(MalformedCertificate, match=said):
        torchlean_check.check(changed(original, tree=tree, rays=[]))


@pytest.mark.parametrize(
    ("ray", "said"),
    [
        ({"ends": []}, "a segment is needed"),
        ({"ends": ["1/2", "1/4"]}, "must increase"),
        ({"met": "1/4"}, "beyond the segments"),
        ({"direction": ["0", "0"]}, "not 0"),
        ({"origin": ["0"]}, "2 numbers each"),
        ({"met": 1}, "rational"),
    ],
)
def test_rays_that_are_none_are_refused(ray, said, original):
    ray = {"origin": ["-2", "0"], "direction": ["1", "0"], "ends": ["1/2"], "met": None,
           **ray}  # fmt: skip
    with pytest.raises(MalformedCertificate, match=said):
        torchlean_check.check(changed(original, rays=[ray]))


def test_a_pole_is_not_met():
    """1 / (x - 1/2) has another sign beyond 1/2, and no zero on the way."""
    pole = lambda x: 1.0 / (x[0] - 0.5)
    blob = surface_document(pole, [0.0], [1.0], origin=[0.0], directions=[[1.0]], far=1)
    document = json.loads(blob)
    (ray,) = document["rays"]
    assert ray["met"] is None and Fraction(ray["ends"][-1]) < Fraction(1, 2)
    ray["met"] = "3/4"
    assert not torchlean_check.check(canonical_json(document)).accepted
    # nor is it in a cell that is free
    assert all(b < Fraction(1, 2) or Fraction(1, 2) < a
               for ((a, b),) in free_parts(document))  # fmt: skip


WEIGHTS = np.random.default_rng(3).normal(size=(2, 3, 6)).astype(np.float32)


def bent(x):
    """A network of tanh units with zeros in the box."""
    hidden = jnp.tanh(x @ WEIGHTS[0] + WEIGHTS[1, 0])
    return hidden @ WEIGHTS[1, 1] - 0.25


def exact_bent(x):
    total = -mpmath.mpf(0.25)
    for k in range(6):
        s = sum(mpmath.mpf(float(WEIGHTS[0, i, k])) * x[i] for i in range(3))
        total += mpmath.mpf(float(WEIGHTS[1, 1, k])) * mpmath.tanh(
            s + mpmath.mpf(float(WEIGHTS[1, 0, k]))
        )
    return total


def test_a_network_keeps_its_sign_in_free_cells():
    """mpmath's tanh at corners of cells: one sign in each, both in the box."""
    blob = surface_document(bent, [-1.0] * 3, [1.0] * 3, rounds=8)
    rng, signs = np.random.default_rng(0), set()
    for box in free_parts(json.loads(blob)):
        corners = [[pair[b] for pair, b in zip(box, bits, strict=True)]
                   for bits in rng.integers(0, 2, (3, 3))]  # fmt: skip
        values = [exact_bent([mpmath.mpf(x.numerator) / x.denominator for x in c])
                  for c in corners]  # fmt: skip
        found = {mpmath.sign(v) for v in values}
        assert len(found) == 1
        signs |= found
    assert signs == {1, -1}


@pytest.mark.parametrize(
    ("more", "error", "said"),
    [
        ({"hi": [-1.5, 1.5]}, tl.InputError, "with an inside"),
        ({"hi": [np.inf, 1.5]}, tl.InputError, "finite"),
        ({"directions": [[0.0, 0.0]], "origin": [0.0, 0.0]}, tl.InputError, "none of"),
        ({"directions": [[1.0, 0.0]]}, tl.InputError, "origin"),
        ({"directions": [[1.0, 0.0]], "origin": [0.0]}, tl.InputError, "origin"),
        ({"tolerance": 2.0}, tl.InputError, "tolerance < far"),
        ({"rounds": 0}, tl.CertificateWriteError, "no cell"),
        (
            {"directions": [[1.0, 0.0]], "origin": [1.0, 0.0]},
            tl.CertificateWriteError,
            "ray 0 begins",
        ),
    ],
)
def test_questions_without_an_answer_are_refused(more, error, said):
    asked = {"lo": [-1.5, -1.5], "hi": [1.5, 1.5], "rounds": 1} | more
    with pytest.raises(error, match=said):
        surface_document(circle, **asked)


def test_what_no_program_has_is_named():
    with pytest.raises(tl.MissingRuleError, match="sqrt"):
        surface_document(lambda x: jnp.sqrt(x @ x) - 1.0, [0.0] * 2, [2.0] * 2)
    with pytest.raises(tl.InputError, match="scalar"):
        surface_document(jax.nn.tanh, [0.0] * 2, [2.0] * 2)
