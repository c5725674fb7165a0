"""Lenses with distortion: beside exact points by hand, and with planted faults."""

import itertools
import json
import math
import random
from fractions import Fraction

import numpy as np
import pytest

import torchlean_check
import torchlean_jax as tl
from torchlean_check import _lenses
from torchlean_check._container import canonical_json
from torchlean_check._ranges import told
from torchlean_jax.science import Cameras, FoldError, envelope, turn

CUBE = (-1, -1, -1), (1, 1, 1)
STILL = (1, 0, 0, 0), (1, 0, 0, 0)
AHEAD = (0, 0, 4), (0, 0, 4)
ONE = (1, 1), (1, 1)
# in thousandths: barrel, pincushion, one that bends back, and all of a set
LENSES = {
    "barrel": ((-300, 50, 0, 0, -5), (-300, 50, 0, 0, -5)),
    "pincushion": ((200, 30, 0, 0, 10), (250, 30, 0, 0, 10)),
    "moustache": ((-250, 400, 0, 0, 0), (-200, 500, 0, 0, 100)),
    "decentred": ((-100, 0, -20, 10, 0), (-100, 0, 15, 40, 0)),
}
# neither function is monotone on all of a rectangle
CROOKED = {"crooked": ((-1500, 0, -400, -400, 0), (-1500, 0, 400, 400, 900))}


def thousandths(name):
    both = (LENSES | CROOKED)[name]
    return tuple(tuple(Fraction(c, 1000) for c in end) for end in both)


def lens(name, **more):
    return Cameras(STILL, AHEAD, ONE, distortion=thousandths(name), **more)


def shown(x, y, k1, k2, p1, p2, k3):
    """OpenCV's formula, term by term as its page has it."""
    r2 = x**2 + y**2
    radial = 1 + k1 * r2 + k2 * r2**2 + k3 * r2**3
    u = x * radial + (2 * p1 * x * y + p2 * (r2 + 2 * x**2))
    v = y * radial + (p1 * (r2 + 2 * y**2) + 2 * p2 * x * y)
    return u, v


def escapes(name, pieces):
    """How many random points of random rectangles leave what `distorted` says."""
    rng, count = random.Random(5), 0
    ranges = list(zip(*thousandths(name), strict=True))
    for _ in range(25):
        x, y = (
            tuple(sorted(Fraction(rng.randint(-60, 60), 100) for _ in "ab"))
            for _ in "xy"
        )
        found = _lenses.distorted(ranges, x, y, pieces)
        for _ in range(30):
            # ends more often than not: there a bound is attained
            at = [
                a + (b - a) * Fraction(rng.choice((0, 0, 1, 2, 2)), 2)
                for a, b in (x, y)
            ]
            chosen = [rng.choice(pair) for pair in ranges]
            for value, (lo, hi) in zip(shown(*at, *chosen), found, strict=True):
                count += not lo <= value <= hi
    return count


@pytest.mark.parametrize("name", LENSES | CROOKED)
@pytest.mark.parametrize("pieces", [1, 3])
def test_points_of_a_rectangle_stay_in_its_picture(name, pieces):
    assert escapes(name, pieces) == 0


FAULTS = {
    "tangential coefficients exchanged": (
        "_value",
        lambda f: lambda x, y, k, p, q: f(x, y, k, q, p),
    ),
    "ends exchanged": (
        "_extreme",
        lambda f: lambda x, slope, end: f(x, slope, 1 - end),
    ),
    "a slope without its own coefficient": (
        "_slopes",
        lambda f: lambda x, y, k, p, q: f(x, y, k, p, (Fraction(0), Fraction(0))),
    ),
    "one power of r^2 too many": ("_powers", lambda f: lambda s: f(s)[:1] + f(s)[:-1]),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_broken_formula_is_noticed(fault, monkeypatch):
    part, change = FAULTS[fault]
    monkeypatch.setattr(_lenses, part, change(getattr(_lenses, part)))
    assert sum(escapes(name, 1) for name in LENSES | CROOKED) > 0


def test_slopes_are_those_of_the_formula():
    """At points, beside a central difference, which is 1e-16 off, without rounding."""
    rng, h = random.Random(2), Fraction(1, 10**9)
    for _ in range(40):
        x, y, *c = (Fraction(rng.randint(-99, 99), 60) for _ in range(7))
        k1, k2, p1, p2, k3 = c
        points = [(value, value) for value in (x, y, k1, k2, k3, p1, p2)]
        found = _lenses._slopes(*points[:2], points[2:5], *points[5:])
        by_x = (shown(x + h, y, *c)[0] - shown(x - h, y, *c)[0]) / (2 * h)
        by_y = (shown(x, y + h, *c)[0] - shown(x, y - h, *c)[0]) / (2 * h)
        for (lo, hi), slope in zip(found, (by_x, by_y), strict=True):
            assert lo == hi and abs(lo - slope) < Fraction(1, 10**12)


def turned(q, p):
    """q p q* / |q|^2, by Hamilton's product: no matrix in it."""

    def product(a, b):
        (s, *v), (t, *w) = a, b
        cross = [v[i - 2] * w[i - 1] - v[i - 1] * w[i - 2] for i in range(3)]
        dot = sum(x * y for x, y in zip(v, w, strict=True))
        rest = [s * y + t * x + c for x, y, c in zip(v, w, cross, strict=True)]
        return [s * t - dot, *rest]

    whole = product(product(q, [0, *p]), [q[0], *(-x for x in q[1:])])
    return [x / sum(y * y for y in q) for x in whole[1:]]


@pytest.mark.parametrize("name", LENSES)
@pytest.mark.parametrize("convention", ["opencv", "opengl"])
def test_random_cameras_and_lenses_stay_in_the_envelope(name, convention):
    side = 1 if convention == "opencv" else -1
    near, far = sorted((Fraction(4 * side), Fraction(17 * side, 4)))
    cameras = Cameras(
        turn((0, 1, 0), -0.25, 0.25),
        ((0, 0, near), (0, 0, far)),
        ((1, 1.5), (1.25, 1.5)),
        ((0.5, 0.5), (0.5, 0.75)),
        convention,
        thousandths(name),
    )
    found = envelope(CUBE, cameras, splits=8)
    rng, met = random.Random(1), []
    ends = list(zip(*cameras.quaternion, strict=True))
    for _ in range(400):
        q = [a + (b - a) * Fraction(rng.choice((0, 0, 3, 8, 8)), 8) for a, b in ends]
        p = [Fraction(rng.choice((-4, -4, 1, 4, 4)), 4) for _ in range(3)]
        x, y, z = turned(q, p)
        depth = (z + rng.choice((near, far))) * side
        chosen = [rng.choice(pair) for pair in zip(*thousandths(name), strict=True)]
        x, y = x / depth, y * side / depth
        u, v = shown(x, y, *chosen)
        at = rng.choice((1, Fraction(5, 4))) * u + Fraction(1, 2), 3 * v / 2
        at = at[0], at[1] + rng.choice((Fraction(1, 2), Fraction(3, 4)))
        assert depth >= found.depth and x * x + y * y <= found.field
        for value, lo, hi in zip(at, found.lo, found.hi, strict=True):
            assert lo <= value <= hi
        met.append([float(value) for value in at])
    spread = np.ptp(np.array(met), axis=0)
    sizes = [float(b - a) for a, b in zip(found.lo, found.hi, strict=True)]
    # a fifth more than points attain, at most: the cells, and the rectangle's corners
    assert sizes[0] <= 1.2 * spread[0] and sizes[1] <= 1.2 * spread[1]
    assert torchlean_check.check(found.document).accepted


def test_zero_coefficients_are_no_lens():
    plain = envelope(CUBE, Cameras(STILL, AHEAD, ONE))
    with_zeros = envelope(CUBE, Cameras(STILL, AHEAD, ONE, distortion=((0,) * 5,) * 2))
    assert plain.document == with_zeros.document and "lens" not in plain.claim


@pytest.mark.parametrize(
    "coefficients", [(-2, 0, 0, 0, 0), (0.5, -8, 0, 0, 0), (1, 1, 0.25, 0.25, -60)]
)
def test_a_lens_that_folds_within_the_field_is_refused_with_its_radius(coefficients):
    k1, k2, _, _, k3 = coefficients
    roots = np.roots([7 * k3, 5 * k2, 3 * k1, 1])
    radius = min(math.sqrt(r.real) for r in roots if abs(r.imag) < 1e-9 < r.real)
    wide = (0.0, 0, 0, 0, 0), (0.0, 0, 0, 0, 0)  # the set also holds a lens that folds
    lows = tuple(map(min, zip(coefficients, wide[0], strict=True)))
    highs = tuple(map(max, zip(coefficients, wide[1], strict=True)))
    for lo, hi in ((coefficients, coefficients), (lows, highs)):
        cameras = Cameras(STILL, AHEAD, ONE, distortion=(lo, hi))
        with pytest.raises(FoldError, match="folds at radius") as caught:
            envelope(CUBE, cameras)
        assert isinstance(caught.value, tl.UndecidedError)
        if lo == hi:
            assert caught.value.radius == pytest.approx(radius, rel=1e-5)
        # no farther out than the radius, the same lens is taken
        far = Fraction(math.sqrt(2) / radius * 1.02 + 1)
        smaller = Cameras(
            STILL, ((0, 0, far),) * 2, ONE, distortion=(coefficients, coefficients)
        )
        assert math.sqrt(envelope(CUBE, smaller).field) < radius


def test_a_slope_that_only_touches_zero_folds_nothing():
    """1 + 3 k1 s + 5 k2 s^2 = (1 - 5 s)^2: the cube is seen up to s = 2/9."""
    touching = (Fraction(-10, 3), 5, 0, 0, 0)
    cameras = Cameras(STILL, AHEAD, ONE, distortion=(touching, touching))
    assert envelope(CUBE, cameras).field > Fraction(1, 5)
    beyond = (Fraction(-10, 3) - Fraction(1, 10**6), 5, 0, 0, 0)
    with pytest.raises(FoldError):
        envelope(CUBE, Cameras(STILL, AHEAD, ONE, distortion=(beyond, beyond)))


def changed(document: bytes, change) -> torchlean_check.Report | None:
    """The verdict on a changed copy; None if it is not well formed."""
    copy = json.loads(document)
    change(copy)
    try:
        return torchlean_check.check(canonical_json(copy))
    except torchlean_check.MalformedCertificate:
        return None


def put(name, end, k, value):
    return lambda d: d[name][end].__setitem__(k, value)


REFUTED = {
    "k1 up": (put("distortion", "hi", 0, "1/2"), "leaves"),
    "p1 up": (put("distortion", "hi", 2, "1/5"), "leaves"),
    "p2 down": (put("distortion", "lo", 3, "-1/5"), "leaves"),
    "k1 that folds": (put("distortion", "lo", 0, "-2"), "turns back"),
    "k3 that folds": (put("distortion", "lo", 4, "-99"), "turns back"),
    "narrower field": (lambda d: d.update(field="1/5"), "field"),
    "wider field, in which it folds": (lambda d: d.update(field="99"), "turns back"),
    "fewer pieces": (lambda d: d.update(pieces=1), "leaves"),
    "a smaller picture": (put("image", "hi", 0, "1/4"), "leaves"),
}


def test_changed_lenses_are_refuted():
    # a lens and a set of poses for which pieces matter
    cameras = Cameras(
        turn((0, 1, 0), -0.25, 0.25), AHEAD, ONE, distortion=thousandths("decentred")
    )
    found = envelope(CUBE, cameras, splits=4, pieces=3)
    assert changed(found.document, lambda d: None).accepted  # type: ignore[union-attr]
    for name, (change, words) in REFUTED.items():
        report = changed(found.document, change)
        assert report is not None and not report.accepted, name
        assert words in report.reason, (name, report.reason)


MALFORMED = {
    "the version before": lambda d: d.update(version=1),
    "no pieces": lambda d: d.pop("pieces"),
    "pieces 0": lambda d: d.update(pieces=0),
    "too many pieces": lambda d: d.update(pieces=1000),
    "no lens": lambda d: d.pop("distortion"),
    "four coefficients": lambda d: d["distortion"]["lo"].pop(),
    "lo > hi": put("distortion", "lo", 0, "1"),
    "a float": put("distortion", "lo", 0, "-0.5"),
    "no field": lambda d: d.pop("field"),
    "a negative field": lambda d: d.update(field="-1"),
    "another field": lambda d: d.update(k4="0"),
}


@pytest.mark.parametrize("name", MALFORMED)
def test_malformed_lenses_are_refused(name):
    found = envelope(CUBE, lens("barrel"))
    assert changed(found.document, MALFORMED[name]) is None


def test_numbers_too_long_to_write_do_not_stop_the_checker():
    """Four denominators of 1195 digits: their product is more than Python prints."""
    document = envelope(CUBE, Cameras(STILL, AHEAD, ONE)).document

    def change(d):
        for end, k in itertools.product(("lo", "hi"), range(4)):
            d["quaternion"][end][k] = "1/" + "1" * 1190 + f"{k}1"

    report = changed(document, change)
    assert report is not None and not report.accepted and len(report.reason) < 200
    assert told(Fraction(10) ** 400) == "more than 1e308"
    assert told(-(Fraction(10) ** 400)) == "less than -1e308"
    assert told(Fraction(1, 10**400)) == "0" and told(Fraction(1, 3)) == "0.333333"


@pytest.mark.parametrize(
    "wrong",
    [
        lambda: Cameras(STILL, AHEAD, ONE, distortion=((0,) * 4, (0,) * 4)),
        lambda: Cameras(STILL, AHEAD, ONE, distortion=((1,) * 5, (0,) * 5)),
        lambda: Cameras(STILL, AHEAD, ONE, distortion=((math.inf,) * 5,) * 2),
        lambda: envelope(CUBE, lens("barrel"), pieces=0),
        lambda: envelope(CUBE, lens("barrel"), pieces=10**4),
        lambda: envelope(CUBE, Cameras(turn((0, 0, 1), 0, 1), AHEAD, ONE), splits=0),
    ],
)
def test_inconsistent_lenses_are_refused(wrong):
    with pytest.raises(tl.InputError):
        wrong()
