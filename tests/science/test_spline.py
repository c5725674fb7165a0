"""Exact splines: beside scipy, brute force on grids, and planted faults."""

import json
import math
import random
from fractions import Fraction

import jax.numpy as jnp
import numpy as np
import pytest
import scipy.interpolate as interpolate

import torchlean_check
import torchlean_jax as tl
from torchlean_check import _closeness
from torchlean_check import _polynomials as polynomials
from torchlean_check._container import canonical_json
from torchlean_jax.science import Spline

X, Y = [0, 1, 2.5, 3, 4], [0, 1, 1.5, 4, 4.25]
POINTS = np.linspace(0, 4, 101)


def off(spline, reference):
    return max(abs(float(spline(x)) - reference(x)) for x in POINTS)


def test_natural_splines_are_those_of_scipy():
    reference = interpolate.CubicSpline(X, Y, bc_type="natural")
    ours = Spline.natural(X, Y)
    assert off(ours, reference) < 1e-12
    assert ours.prove(continuous=2, interpolates=(X, Y)).status == "proved"
    assert ours.jump(3) > 0


def test_monotone_splines_keep_the_shape_of_the_data():
    reference = interpolate.PchipInterpolator(X, Y)
    ours = Spline.monotone(X, Y)
    assert all(abs(float(ours(x)) - reference(x)) < 1e-12 for x in np.linspace(1, 3))
    claim = ours.prove(
        continuous=1, interpolates=(X, Y), shape="increasing", between=(0, 4.25)
    )
    assert claim.status == "proved" and "increasing" in claim.claim
    assert ours.prove(continuous=2).status == "refuted"


def test_splines_of_scipy_are_taken_with_their_rounding_errors():
    theirs = Spline.from_scipy(interpolate.CubicSpline(X, Y, bc_type="natural"))
    assert 0 < theirs.jump(2) < 1e-12
    assert theirs.prove(continuous=2).status == "refuted"
    assert theirs.prove(continuous=2, tolerance=1e-12).status == "proved"
    assert theirs.prove(near=(Spline.natural(X, Y), 1e-12)).status == "proved"
    assert theirs.prove(near=(Spline.natural(X, Y), 0)).status == "refuted"


@pytest.mark.parametrize("degree", [0, 1, 2, 3, 5])
def test_b_splines_are_expanded_exactly(degree):
    rng = np.random.default_rng(degree)
    knots = np.sort(rng.uniform(-2, 6, 2 * degree + 6))
    knots[degree], knots[-degree - 1] = 0, 4
    knots[degree : -degree or None].sort()
    reference = interpolate.BSpline(np.sort(knots), rng.normal(size=degree + 5), degree)
    ours = Spline.from_scipy(reference)
    inside = np.linspace(float(ours.knots[0]), float(ours.knots[-1]), 57)[1:-1]
    gaps = [abs(float(ours(x)) - reference(x)) for x in inside]
    assert max(gaps) < 1e-9
    if degree:
        assert ours.prove(continuous=degree - 1).status == "proved"


def brute(p, a, b):
    """Whether p is negative at one of many points of [a, b]."""
    points = [a + (b - a) * Fraction(k, 240) for k in range(241)]
    return any(polynomials.value(p, x) < 0 for x in points)


def test_signs_are_decided_also_where_roots_touch():
    rng = random.Random(7)
    for _ in range(400):
        p = [Fraction(rng.choice([-1, 1]))]
        for _ in range(rng.randint(0, 5)):
            root = Fraction(rng.randint(-4, 4), rng.choice([1, 2]))
            p = polynomials.plus([0, *p], [root * c for c in p], -1)
        at = polynomials.negative_somewhere(p, Fraction(-2), Fraction(2))
        if at is None:
            assert not brute(p, Fraction(-2), Fraction(2))
        else:
            assert -2 <= at <= 2 and polynomials.value(p, at) < 0


def test_shapes_mind_the_jumps_between_pieces():
    step = Spline([0, 1, 2], [[0, 1], [Fraction(1, 2), 1]])
    assert step.prove(shape="increasing").status == "refuted"
    assert Spline([0, 1, 2], [[0, 1], [2, 1]]).prove(shape="increasing").status == (
        "proved"
    )
    kink = Spline([0, 1, 2], [[0, 1], [1, 2]])
    assert kink.prove(shape=("increasing", "convex")).status == "proved"
    assert kink.prove(shape="concave").status == "refuted"
    assert Spline([0, 1, 2], [[0, 1], [2, 2]]).prove(shape="convex").status == "refuted"


def test_a_value_that_two_pieces_give_differently_is_no_interpolation():
    step = Spline([0, 1, 2], [[0], [1]])
    assert step.prove(interpolates=([1], [0])).status == "refuted"
    assert step.prove(interpolates=([0, 2], [0, 1])).status == "proved"
    assert step.prove(interpolates=([3], [1])).status == "refuted"


@pytest.fixture
def document():
    claim = Spline.monotone(X, Y).prove(
        continuous=1, interpolates=(X, Y), shape="increasing", between=(0, 4.25)
    )
    return json.loads(claim.document)


def verdict(document):
    try:
        return torchlean_check.check(canonical_json(document)).accepted
    except torchlean_check.CertificateError:
        return False


def test_every_changed_coefficient_is_noticed(document):
    """Interpolation and one continuous derivative leave no coefficient free."""
    assert verdict(document)
    for k, piece in enumerate(document["spline"]["pieces"]):
        for j in range(len(piece)):
            before, piece[j] = piece[j], str(Fraction(piece[j]) + Fraction(1, 10**30))
            assert not verdict(document), (k, j)
            piece[j] = before
    assert verdict(document)


@pytest.mark.parametrize(
    "change",
    [
        lambda d: d.update(version=2),
        lambda d: d.update(format="other"),
        lambda d: d.update(more=1),
        lambda d: d.update(claims=[]),
        lambda d: d["claims"].append({"kind": "true"}),
        lambda d: d["claims"].append({"kind": "convex", "strictly": True}),
        lambda d: d["spline"]["knots"].reverse(),
        lambda d: d["spline"]["knots"].append("9"),
        lambda d: d["spline"]["knots"].__setitem__(0, "-0"),
        lambda d: d["spline"]["knots"].__setitem__(1, "2/2"),
        lambda d: d["spline"]["knots"].__setitem__(1, "1.0"),
        lambda d: d["spline"]["knots"].__setitem__(1, 1),
        lambda d: d["spline"]["pieces"][0].extend(["1"] * 30),
        lambda d: d["claims"][0].update(order=-1),
    ],
)
def test_malformed_documents_are_refused(document, change):
    change(document)
    assert not verdict(document)


def test_documents_go_through_files(tmp_path):
    claim = Spline.natural([0, 1, 2], [0, 1, 0]).prove(shape="concave")
    claim.save(tmp_path / "s.json")
    assert torchlean_check.check(tmp_path / "s.json").accepted
    (tmp_path / "t.json").write_bytes(claim.document.replace(b"concave", b"convex"))
    (report,) = torchlean_check.check_many([tmp_path / "t.json"])
    assert not report.accepted and "convex" in report.reason


@pytest.mark.parametrize(
    "wrong",
    [
        lambda: Spline([0, 0], [[1]]),
        lambda: Spline([0, 1], []),
        lambda: Spline([0, np.nan], [[1]]),
        lambda: Spline.natural([0, 2, 1], [0, 1, 2]),
        lambda: Spline.natural([0, 1], [0, 1, 2]),
        lambda: Spline.bspline([0, 1, 2], [1], 3),
        lambda: Spline.bspline([0, 1, 0, 1], [1, 1], 1),
        lambda: Spline.from_scipy(object()),
        lambda: Spline([0, 1], [[1]])(2),
        lambda: Spline([0, 1], [[1]]).prove(),
        lambda: Spline([0, 1], [[1]]).prove(shape="round"),
        lambda: Spline([0, 1], [[1]]).prove(interpolates=([1], [])),
    ],
)
def test_inconsistent_splines_are_refused(wrong):
    with pytest.raises(tl.InputError):
        wrong()


def test_a_parabola_is_as_far_from_the_cosine_as_taylor_says():
    """1 - x^2/2 is below cos, most at the ends: by cos 1 - 1/2 = 0.0403023058..."""
    parabola = Spline([-1, 0, 1], [[Fraction(1, 2), 1, Fraction(-1, 2)], [1, 0, -0.5]])
    ask = lambda distance: parabola.prove(near=(jnp.cos, distance))
    found = ask(0.04030231)
    assert found.status == "proved" and torchlean_check.check(found.document).accepted
    far = ask(0.04030230)
    assert far.status == "refuted" and "is 0.0403" in far.reason
    assert not torchlean_check.check(far.document).accepted


@pytest.mark.parametrize("place", [(0, 0), (0, 1), (1, 2), (1, 3)])
def test_a_changed_coefficient_is_farther_from_the_function(place):
    """Of Taylor's polynomials of exp at -1 and 0, which are 2^-8 off at most."""
    pieces = [[math.exp(a) / math.factorial(k) for k in range(5)] for a in (-1, 0)]
    taylor = Spline([-1, 0, 0.5], pieces)
    left, right = (  # the largest remainders, at the ends of the pieces
        abs(sum(piece[k] * h**k for k in range(5)) - math.exp(a + h))
        for piece, a, h in zip(pieces, (-1, 0), (1, 0.5), strict=True)
    )
    worst = max(left, right)
    assert taylor.prove(near=(jnp.exp, worst + 1e-12)).status == "proved"
    assert taylor.prove(near=(jnp.exp, worst - 1e-12)).status == "refuted"
    piece, k = place
    pieces[piece][k] += 0.125
    assert Spline([-1, 0, 0.5], pieces).prove(near=(jnp.exp, 0.0078125)).status == (
        "refuted"
    )


def test_without_the_remainder_too_much_would_be_proved(monkeypatch):
    """A planted fault: sin(8 x) and the line through 0 with its slope, on one cell."""
    line = Spline([-0.25, 0.25], [[-2, 8]])
    ask = lambda: line.prove(near=(lambda x: jnp.sin(8 * x), 0.001)).status
    assert ask() == "refuted"
    monkeypatch.setattr(_closeness, "_wide", lambda f, lo, hi: (0, 0))
    monkeypatch.setattr(_closeness, "DEGREE", 2)
    assert ask() == "proved"


def test_where_a_function_has_no_bound_nothing_is_decided(monkeypatch):
    """log from 0 on: the cells next to 0 have no derivatives."""
    monkeypatch.setattr(_closeness, "MAX_CELLS", 30)
    found = Spline([0, 1], [[-1, 1]]).prove(near=(jnp.log, 1000))
    assert found.status == "unknown" and "not decided, after" in found.reason


def test_a_distance_that_is_only_just_kept_is_not_decided():
    """|sin x - 1| is 1 at 0 and less on the right, up to pi: a bound of a cell next to
    0 is never 1 or less. On the left it is more: there it is refuted, though the cells
    next to 0 on the right stay open."""
    ask = lambda lo: Spline([lo, 0, 3], [[1], [1]]).prove(near=(jnp.sin, 1))
    assert Spline([0, 3], [[1]]).prove(near=(jnp.sin, 1)).status == "unknown"
    assert Spline([0, 3], [[1]]).prove(near=(jnp.sin, 1.001)).status == "proved"
    assert ask(-1).status == "refuted"


def test_the_extent_is_that_of_the_critical_points():
    """x^3 - x on [-1, 1] has its extremes 2 / sqrt(27) at 1 / sqrt(3), within units."""
    cubic = Spline([-1, 1], [[0, 2, -3, 1]])
    lo, hi = cubic.extent()
    most = math.sqrt(4 / 27)
    assert -most - 2.0**-20 < float(lo) < -most and most < float(hi) < most + 2.0**-20
    assert Fraction(4, 27) <= hi * hi
    assert cubic.derivative().extent()[0] in (-1, -1 - Fraction(1, 2**20))
    assert Spline([0, 1], [[]]).extent()[0] <= 0
