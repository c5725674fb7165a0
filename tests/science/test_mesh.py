"""Meshes in pictures: beside exact points of their triangles, and files by line."""

import json
import random
from fractions import Fraction

import pytest

import torchlean_check
import torchlean_jax as tl
from torchlean_check import _visibility
from torchlean_check._container import canonical_json
from torchlean_jax.science import Cameras, Mesh, envelope, turn, visible
from torchlean_jax.science import _visible as module

STILL = (1, 0, 0, 0), (1, 0, 0, 0)
AHEAD = (0, 0, 4), (0, 0, 4)
ONE = (1, 1), (1, 1)
CUBE = """\
# a cube, and a square above it
v -1 -1 -1
v 1 -1 -1
v 1 1 -1
v -1 1 -1
v -1 -1 1
v 1.0 -1. 1
v 1 1e0 1
v -1 +1 1

f 1 2 3 4
f 5 6 7 8
f 1 2 6 5
f 2 3 7 6
f 3 4 8 7  # a comment
f 4 1 5 8
"""
BARREL = (-0.25, 0.0625, 0.015625, 0, 0), (-0.1875, 0.0625, 0.015625, 0.03125, 0)
# folds at radius 2.3
FOLDING = (-0.0625, 0, 0, 0, 0), (0, 0, 0.015625, 0, 0)


@pytest.fixture(scope="module")
def cube(tmp_path_factory):
    path = tmp_path_factory.mktemp("mesh") / "cube.obj"
    path.write_text(CUBE)
    return Mesh.read(path)


def test_a_mesh_is_read_and_its_quads_are_split(cube):
    assert cube.vertices[5] == (1, -1, 1) and cube.vertices[7] == (-1, 1, 1)
    assert len(cube.triangles) == 12
    assert cube.triangles[:2] == ((0, 1, 2), (0, 2, 3))


def test_decimal_numbers_are_taken_exactly(tmp_path):
    path = tmp_path / "thin.obj"
    path.write_text("v 0.1 0 1e-3\r\nv 1 0 0\nv 0 .5 0\nf 3 2 1")
    assert Mesh.read(path).vertices[0] == (Fraction(1, 10), 0, Fraction(1, 1000))


@pytest.mark.parametrize(
    ("number", "line"),
    [
        (2, "v 1 2"),
        (2, "v 1 2 3 1"),
        (2, "v 1 2 nan"),
        (2, "v 1 2 1/3"),
        (2, "v 1 2 1_000"),
        (2, "v 1 2 1e999"),
        (2, "v 1 2 " + 41 * "1"),
        (3, "vn 0 0 1"),
        (3, "usemtl red"),
        (3, "f 1/1 2/2 3/3"),
        (3, "f -1 -2 -3"),
        (3, "f 1 2"),
        (3, "f 1 2 3 4 5"),
        (3, "f 0 1 2"),
        (3, "f 1 2 9"),
        (10, "f 1 2 3 \\"),
        (11, "f 1 2 x"),
    ],
)
def test_other_lines_are_refused_by_their_number(tmp_path, number, line):
    lines = CUBE.splitlines()
    lines[number - 1] = line
    path = tmp_path / "wrong.obj"
    path.write_text("\n".join(lines))
    with pytest.raises(tl.FileFormatError, match=f"line {number}:"):
        Mesh.read(path)


def test_a_file_without_faces_is_refused(tmp_path):
    path = tmp_path / "points.obj"
    path.write_text("v 0 0 0\n")
    with pytest.raises(tl.FileFormatError, match="no face"):
        Mesh.read(path)


def test_without_a_lens_a_mesh_is_seen_as_its_hull_is(cube):
    cameras = Cameras(turn((0, 1, 0), -0.25, 0.25), AHEAD, ONE)
    box, mesh = (
        envelope(shape, cameras, splits=4) for shape in (((-1,) * 3, (1,) * 3), cube)
    )
    assert (box.depth, box.lo, box.hi) == (mesh.depth, mesh.lo, mesh.hi)
    assert box.field == mesh.field and "12 triangles" in mesh.claim


def points(rng, mesh, k, count):
    """Random points of a triangle, its corners and edges more often than not."""
    corners = [mesh.vertices[v] for v in mesh.triangles[k]]
    for _ in range(count):
        weights = [rng.choice((0, 0, 1, 3)) for _ in corners]
        weights = weights if any(weights) else [1, 0, 0]
        mixed = zip(
            *([w * x for x in c] for w, c in zip(weights, corners, strict=True)),
            strict=True,
        )
        yield [sum(x) / Fraction(sum(weights)) for x in mixed]


def pictured(rng, cameras, p):
    """(depth, u, v) of a point by a random camera: matrix of the pan by hand."""
    w, y = (
        rng.choice((cameras.quaternion[0][k], cameras.quaternion[1][k])) for k in (0, 2)
    )
    c, s = (w * w - y * y) / (w * w + y * y), 2 * w * y / (w * w + y * y)
    a, b, depth = c * p[0] + s * p[2], p[1], c * p[2] - s * p[0] + 4
    if depth <= 0:
        return depth, None, None
    a, b = a / depth, b / depth
    k1, k2, p1, p2, k3 = (
        rng.choice(pair) for pair in zip(*cameras.distortion, strict=True)
    )
    s = a * a + b * b
    grown = 1 + s * (k1 + s * (k2 + s * k3))
    u = a * grown + 2 * p1 * a * b + p2 * (s + 2 * a * a)
    v = b * grown + 2 * p2 * a * b + p1 * (s + 2 * b * b)
    return depth, u, v


def test_points_of_triangles_stay_in_the_envelope(cube):
    cameras = Cameras(turn((0, 1, 0), -0.25, 0.25), AHEAD, ONE, distortion=BARREL)
    found = envelope(cube, cameras, splits=4, pieces=1)
    rng = random.Random(0)
    for k in range(12):
        for p in points(rng, cube, k, 25):
            depth, u, v = pictured(rng, cameras, p)
            assert depth >= found.depth
            assert found.lo[0] <= u <= found.hi[0] and found.lo[1] <= v <= found.hi[1]
    assert torchlean_check.check(found.document).accepted


# triangles all around: ahead, aside, behind, and across the plane of the camera
AROUND = [
    (x, y, z) for z in (-9, -4, -1, 4) for x in (-3, -1, 0, 2, 12) for y in (-2, 0, 1)
]


def around():
    rng = random.Random(3)
    triangles = [tuple(rng.sample(range(len(AROUND)), 3)) for _ in range(60)]
    near = [(k, k + 1, k + 3) for k in range(0, len(AROUND) - 4, 2)]
    aside = [tuple(k for k, p in enumerate(AROUND) if (p[0], p[2]) == (12, 4))]
    return Mesh(AROUND, triangles + near + aside)


def wrong_words(mesh, cameras, view, words):
    """Triangles of which a sampled point shows that the word does not hold."""
    rng, wrong = random.Random(4), set()
    for k, word in enumerate(words):
        for p in points(rng, mesh, k, 40):
            depth, u, v = pictured(rng, cameras, p)
            seen = depth > 0 and all(
                a <= x <= b for x, a, b in zip((u, v), *view, strict=True)
            )
            if seen != (word == "inside") and word in ("inside", "outside"):
                wrong.add(k)
    return wrong


@pytest.mark.parametrize("distortion", [((0,) * 5, (0,) * 5), FOLDING])
def test_what_is_in_view_is_and_what_is_not_is_not(distortion):
    mesh, view = around(), ((-1, -1), (1, 1))
    turned = turn((0, 1, 0), -0.125, 0.125)
    cameras = Cameras(turned, AHEAD, ONE, distortion=distortion)
    found = visible(mesh, cameras, view, splits=4)
    words = found.words
    expected = {"inside", "outside", "behind", "undecided"}
    assert set(words) == expected | ({"folded"} if any(distortion[0]) else set())
    assert words[-1] == "outside"  # to the side
    assert not wrong_words(mesh, cameras, view, words)
    assert torchlean_check.check(found.document).accepted
    assert f"{words.count('outside')} others" in str(found.claim)


@pytest.mark.parametrize(
    ("word", "told"),
    [("inside", "outside"), ("behind", "outside"), ("undecided", "inside")],
)
def test_the_checker_refuses_a_wrong_word(word, told, monkeypatch):
    right = module._joined
    monkeypatch.setattr(
        module, "_joined", lambda words: {word: told}.get(right(words), right(words))
    )
    cameras = Cameras(turn((0, 1, 0), -0.125, 0.125), AHEAD, ONE)
    with pytest.raises(AssertionError, match="not shown"):
        visible(around(), cameras, ((-1, -1), (1, 1)), splits=4)


FAULTS = {
    "only the first coordinate": (
        "inside",
        lambda view, window: (
            view.at is not None
            and window[0][0] <= view.at[0][0] <= view.at[0][1] <= window[0][1]
        ),
    ),
    "a part behind is all behind": (
        "outside",
        lambda view, window: view.at is None,
    ),
    "a part aside is all aside": (
        "outside",
        lambda view, window: view.at is not None and view.at[0][1] > window[0][1],
    ),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_broken_rule_is_noticed(fault, monkeypatch):
    """In the checker as well, so that it does not refuse."""
    name, broken = FAULTS[fault]
    broken.__name__ = name
    monkeypatch.setattr(module, name, broken)
    monkeypatch.setattr(_visibility, name, broken)
    mesh, view = around(), ((-1, -0.25), (1, 0.25))
    cameras = Cameras(turn((0, 1, 0), -0.125, 0.125), AHEAD, ONE)
    words = visible(mesh, cameras, view, splits=4).words
    assert wrong_words(mesh, cameras, view, words)


def test_nothing_certain_is_no_certificate():
    corners = [(0, 0, 0), (9, 0, 0), (0, 9, 0)]
    mesh, cameras = Mesh(corners, [(0, 1, 2)]), Cameras(STILL, AHEAD, ONE)
    found = visible(mesh, cameras, ((-1, -1), (1, 1)))
    assert found.words == ("undecided",) and found.document is None


def test_a_vertex_behind_the_camera_is_named(cube):
    mesh = Mesh([*cube.vertices, (0, 0, -5)], [*cube.triangles, (0, 1, 8)])
    with pytest.raises(tl.UndecidedError, match=r"corner \[0.0, 0.0, -5.0\].*behind"):
        envelope(mesh, Cameras(STILL, AHEAD, ONE))
    # a vertex of no triangle does not matter
    assert envelope(Mesh(mesh.vertices, cube.triangles), Cameras(STILL, AHEAD, ONE))


def put(name, k, value, *ends):
    """Set one number of a set, at one end or at both."""

    def change(document):
        for end in ends or ("lo", "hi"):
            document[name][end][k] = value

    return change


CHANGES = {
    "a vertex moved out": lambda d: d["mesh"]["vertices"][6].__setitem__(0, "2"),
    "a vertex moved nearer": lambda d: d["mesh"]["vertices"][0].__setitem__(2, "-2"),
    "a triangle more": lambda d: (
        d["mesh"]["vertices"].append(["5", "0", "0"]),
        d["mesh"]["triangles"].append([0, 1, 8]),
    ),
    "a vertex that is not there": lambda d: d["mesh"]["triangles"].append([0, 1, 8]),
    "one counted from the end": lambda d: d["mesh"]["triangles"].append([0, 1, -1]),
    "a quad": lambda d: d["mesh"]["triangles"].append([0, 1, 2, 3]),
    "a flat vertex": lambda d: d["mesh"]["vertices"].append(["0", "0"]),
    "no triangle": lambda d: d["mesh"].update(triangles=[]),
    "a box as well": lambda d: d.update(box={"lo": ["0"] * 3, "hi": ["0"] * 3}),
    "neither": lambda d: d.pop("mesh"),
    "another field": lambda d: d["mesh"].update(normals=[]),
    "too much work": lambda d: d.update(splits=[1, 1, 20000, 1]),
}


@pytest.fixture(scope="module")
def document(cube):
    cameras = Cameras(turn((0, 1, 0), -0.25, 0.25), AHEAD, ONE, distortion=BARREL)
    return envelope(cube, cameras, splits=2, pieces=1).document


@pytest.mark.parametrize("name", CHANGES)
def test_changed_meshes_are_rejected(name, document):
    copy = json.loads(document)
    CHANGES[name](copy)
    try:
        accepted = torchlean_check.check(canonical_json(copy)).accepted
    except torchlean_check.MalformedCertificate:
        accepted = False
    assert not accepted


REFUTED = {
    "a smaller view": (lambda d: d["view"]["hi"].__setitem__(0, "1/8"), "inside: "),
    "a wider view": (lambda d: d["view"]["hi"].__setitem__(0, "99"), "outside: "),
    "the camera farther": (put("translation", 2, "8"), "not shown"),
    "a lens that folds": (put("distortion", 0, "-9", "lo"), "turns back"),
    "a narrower field": (lambda d: d.update(field="1/64"), "> 0.015625"),
    "a wider field": (lambda d: d.update(field="99"), "turns back"),
    "the other convention": (lambda d: d.update(convention="opengl"), "not shown"),
    "the one as the other": (
        lambda d: d.update(inside=d["outside"], outside=d["inside"]),
        "not shown",
    ),
}
MALFORMED = {
    "another version": lambda d: d.update(version=2),
    "twice": lambda d: d["inside"].append(d["inside"][0]),
    "in both": lambda d: d["outside"].append(d["inside"][0]),
    "none": lambda d: d.update(inside=[], outside=[]),
    "no such triangle": lambda d: d["inside"].append(10**6),
    "counted from the end": lambda d: d["inside"].append(-1),
    "a truth": lambda d: d["inside"].append(True),
    "no mesh": lambda d: d.update(mesh=None),
    "a box": lambda d: d.update(box={"lo": ["0"] * 3, "hi": ["0"] * 3}),
    "no view": lambda d: d.pop("view"),
    "a negative field": lambda d: d.update(field="-1"),
    "no pieces": lambda d: d.update(pieces=0),
    "too much work": lambda d: d.update(splits=[1, 1, 40000, 1]),
}


@pytest.fixture(scope="module")
def seen():
    cameras = Cameras(turn((0, 1, 0), -0.125, 0.125), AHEAD, ONE, distortion=FOLDING)
    return visible(around(), cameras, ((-1, -1), (1, 1)), splits=4, pieces=1).document


@pytest.mark.parametrize("name", REFUTED)
def test_changed_views_are_refuted(name, seen):
    copy, (change, words) = json.loads(seen), REFUTED[name]
    change(copy)
    report = torchlean_check.check(canonical_json(copy))
    assert not report.accepted and words in report.reason


@pytest.mark.parametrize("name", MALFORMED)
def test_malformed_views_are_refused(name, seen):
    copy = json.loads(seen)
    MALFORMED[name](copy)
    with pytest.raises(torchlean_check.MalformedCertificate):
        torchlean_check.check(canonical_json(copy))


@pytest.mark.parametrize(
    "wrong",
    [
        lambda: Mesh([(0, 0)], [(0, 0, 0)]),
        lambda: Mesh([(0, 0, 0)], [(0, 0, 1)]),
        lambda: Mesh([(0, 0, 0)], [(0, 0, -1)]),
        lambda: Mesh([(0, 0, 0)], []),
        lambda: Mesh([(0, 0, float("inf"))], [(0, 0, 0)]),
        lambda: Mesh([(0, 0, 0)], [(0, 0)]),
        lambda: Mesh(3, [(0, 0, 0)]),  # type: ignore[arg-type]
        lambda: visible(
            Mesh([(0, 0, 0)], [(0, 0, 0)]), Cameras(STILL, AHEAD, ONE), ((1, 1), (0, 0))
        ),
    ],
)
def test_inconsistent_meshes_are_refused(wrong):
    with pytest.raises(tl.InputError):
        wrong()
