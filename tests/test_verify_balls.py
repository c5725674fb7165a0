"""Verdicts on L1 and L2 balls are never wrong.

The oracle cuts the plane into the pieces on which a ReLU network is linear: the L1 ball
is a polygon, the L2 ball contains one whose corners are rational points of the circle.
Membership of counterexamples is decided in fractions.
"""

from fractions import Fraction

import jax.numpy as jnp
import numpy as np
import pytest

import torchlean_check
import torchlean_jax as tl
from tests.search import exact_relu
from tests.search.faults import notices, planted
from tests.search.networks import QUICK, ROWS, network, random_layers
from torchlean_jax.domains._errors import InputError
from torchlean_jax.domains.affine._ball import Ball
from torchlean_jax.search import Attack, _attack, _inside, _regions


def is_in(x, ball):
    """Membership by the definition, in fractions."""
    pairs = zip(np.asarray(x).tolist(), np.asarray(ball.center).tolist(), strict=True)
    distances = [abs(Fraction(a) - Fraction(b)) for a, b in pairs]
    radius = Fraction(float(ball.radius))
    if ball.norm == 1:
        return sum(distances) <= radius
    return sum(d * d for d in distances) <= radius**2


def verdicts_are_right(norm):
    seen = set()
    for seed in range(12):
        layers = random_layers(seed)
        centre = np.random.default_rng(seed + 100).normal(size=2).astype(np.float32)
        ball = tl.ball(centre, [0.1, 0.6, 1.6][seed % 3], norm=norm)
        spec = tl.spec.linear(ROWS, float(network(layers, centre).min()) - 2.0)
        verdict = tl.verify(
            network, (layers, ball), spec, method="crown-ibp", attack=QUICK
        )
        polygon = exact_relu.inscribed(centre, ball.radius, norm)
        least = exact_relu.least_on(polygon, layers, spec.C, spec.d)
        seen.add(verdict.status)
        if verdict.status != "refuted":
            assert Fraction(verdict.margin) <= least
        if verdict.status == "proved":
            assert least > 0
            assert tl.check(verdict.certificate, args=(layers, ball), model=network)
        if verdict.status == "refuted":
            x = np.asarray(verdict.counterexample[1])
            assert x.dtype == np.float32 and is_in(x, ball)
            y = exact_relu.evaluate(layers, x)
            rows = zip(exact_relu.fractions(spec.C), spec.d, strict=True)
            values = [
                sum(c * v for c, v in zip(row, y, strict=True)) - Fraction(float(d))
                for row, d in rows
            ]
            assert min(values) <= Fraction(verdict.margin) <= 0
    return seen


@pytest.mark.parametrize("norm", [1, 2])
def test_verdicts_are_right(norm):
    assert {"proved", "refuted"} <= verdicts_are_right(norm)


def points_outside_refute_nothing(monkeypatch):
    """A corner of the box around a ball is no point of the ball."""
    corner = _attack.Proposals([[np.array([1, 1], np.float32)]], [-1.0], True)
    monkeypatch.setattr(_attack, "propose", lambda *_: corner)
    for norm in (1, 2):
        ball = tl.ball(jnp.zeros(2), 1.0, norm=norm)
        f = lambda x: 1.9 - x.sum() + 0 * x[0] * x[1]
        verdict = tl.verify(f, ball, tl.spec.linear([1.0]), method="ibp")
        assert verdict.status == "unknown"
        assert "outside of the set" in verdict.tried


def test_points_outside_refute_nothing(monkeypatch):
    points_outside_refute_nothing(monkeypatch)


def on_the_rim():
    """(3/5, 4/5) lies on the circle, exactly; one ulp further out does not."""
    five = tl.ball(jnp.zeros(2), 5.0)
    rim = np.array([3, 4], np.float32)
    beyond = np.nextafter(rim, np.float32(9))
    assert _inside.is_inside([five], [rim])
    assert not _inside.is_inside([five], [beyond])
    seven = tl.ball(jnp.zeros(2), 7.0, norm=1)
    assert _inside.is_inside([seven], [rim])
    assert not _inside.is_inside([seven], [beyond])
    far = tl.ball(jnp.full(2, 2.0**24), 1.0)  # one float has an ulp of 2 here
    assert not _inside.is_inside([far], [np.float32([2**24 + 2, 2**24])])
    assert not _inside.is_inside([five], [np.array([np.nan, 0], np.float32)])


def test_the_rim_belongs_to_the_ball():
    on_the_rim()


PLANTED = [
    (_inside, "<= radius * radius", "<= radius", on_the_rim),
    (_inside, "sum(map(abs, distances)) <=", "max(map(abs, distances)) <=", on_the_rim),
    (
        _inside,
        "bool(np.isfinite(x).all()) and _is_in_ball(leaf, x)",
        "bool(np.isfinite(x).all())",
        points_outside_refute_nothing,
    ),
]


@pytest.mark.parametrize(("module", "sound", "faulty", "check"), PLANTED)
def test_planted_faults_are_noticed(module, sound, faulty, check, monkeypatch):
    arguments = [monkeypatch][: check.__code__.co_argcount]
    with planted(module, sound, faulty):
        noticed = notices(check, *arguments)
        monkeypatch.undo()
    assert noticed


@pytest.mark.parametrize("norm", [1, 2])
def test_the_attack_finds_the_least_point_of_a_linear_function(norm):
    """The least of w . x is -|w|_q: the attack gets within a hundredth of it."""
    weights = np.random.default_rng(0).normal(size=20).astype(np.float32)
    dual = np.linalg.norm(weights, np.inf if norm == 1 else 2)
    f = lambda x: (jnp.asarray(weights) @ x)[None] + np.float32(0.99 * dual)
    ball = tl.ball(jnp.zeros(20), 1.0, norm=norm)
    verdict = tl.verify(f, ball, tl.spec.linear([1.0]), method="ibp")
    assert verdict.status == "refuted"
    assert is_in(verdict.counterexample, ball)


@pytest.mark.parametrize("norm", [1, 2])
def test_projections_are_nearest_points(norm):
    """Against random points of the ball: none is nearer than the projection."""
    random = np.random.default_rng(3)
    ball = tl.ball(jnp.zeros(4), 1.0, norm=norm)
    far = jnp.asarray(2 * random.normal(size=(20, 4)), jnp.float32)
    near = np.asarray(_regions.into(far, ball))
    assert (np.linalg.norm(near, norm, axis=1) <= 1 + 1e-5).all()
    inside = random.normal(size=(4000, 4))
    inside /= np.linalg.norm(inside, norm, axis=1, keepdims=True)
    for x, nearest in zip(np.asarray(far), near, strict=True):
        least = np.linalg.norm(inside - x, axis=1).min()
        outside = np.linalg.norm(x, norm) > 1
        assert np.linalg.norm(nearest - x) <= (least + 1e-5 if outside else 1e-6)


def test_a_tiny_ball_around_a_large_number_holds_its_centre():
    """No other float is in it, and the attack does not leave it."""
    ball = tl.ball(jnp.full(2, 1e8, jnp.float32), 0.5)
    f = lambda x: (x[0] - x[1])[None]
    verdict = tl.verify(f, ball, tl.spec.linear([1.0]), attack=QUICK)
    assert verdict.status == "refuted" and verdict.margin == 0
    np.testing.assert_array_equal(verdict.counterexample, ball.center)


def test_a_box_and_balls_together():
    """x + 2 y + z over [0, 1] x L2 ball x L1 ball, least at 0 - 2 r - r'."""
    f = lambda a: (a["x"] + 2 * a["y"][0] + a["z"][1])[None]
    sets = {
        "x": tl.box(0.0, 1.0),
        "y": tl.ball(jnp.zeros(2), 0.5),
        "z": tl.ball(jnp.zeros(3), 0.25, norm=1),
    }
    above, below = (tl.spec.linear([1.0], -1.25 + step) for step in (-1e-6, 1e-6))
    verdict = tl.verify(f, sets, above)
    assert verdict.status == "proved" and 0 < verdict.margin <= 1e-6
    assert "L1 norm" in torchlean_check.check(verdict.certificate.bytes).claim
    assert tl.verify(f, sets, below, attack=Attack(16, 60)).status == "refuted"


CENTER = jnp.zeros(2)
BAD = [
    (Ball(CENTER, jnp.float32(-1.0), 2), "radius, 0 or more"),
    (Ball(CENTER, jnp.float32(np.inf), 2), "finite radius"),
    (Ball(CENTER * np.nan, jnp.float32(1), 2), "finite centre"),
    (Ball(CENTER, jnp.ones(2), 2), "one number"),
    (Ball(CENTER, jnp.float32(1), 3), "norm"),
    (Ball(jnp.zeros(2, int), jnp.float32(1), 2), "dtype"),
    (Ball(np.zeros(2), np.float64(1), 2), "float64"),
    (tl.ball(jnp.zeros(0), 1.0), "no numbers"),
]


@pytest.mark.parametrize(("ball", "says"), BAD, ids=[says for _, says in BAD])
def test_bad_balls_are_refused(ball, says):
    with pytest.raises(InputError, match=says):
        tl.verify(lambda x: x, ball, tl.spec.linear([1.0, 1.0]))
