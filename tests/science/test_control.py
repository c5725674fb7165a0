"""Disturbed and rounded loops beside limits known in closed form; planted faults."""

import math
from fractions import Fraction

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import torchlean_jax as tl
from torchlean_jax.science import (
    Stability,
    _disturbed,
    _neural_control,
    _synthesis,
    as_executed,
    attracted,
    barrier,
    escape,
    regulator,
    synthesize,
)
from torchlean_jax.science._disturbed import executed_reach
from torchlean_jax.science._synthesis import largest_level, share_below


def square(x):
    return jnp.sum(x * x)


def pushed(x, w):
    """|x| falls as long as it is above |w|."""
    return -x + w


@pytest.mark.parametrize(
    ("inner", "status"), [(0.26, "proved"), (0.24, "unknown"), (None, "proved")]
)
def test_a_push_of_a_half_leaves_a_quarter(inner, status):
    """x' = -x + w, |w| <= 1/2: x^2 falls beyond 1/4, and is held at 1/4 by w = 1/2."""
    found = attracted(pushed, square, [-2.0], [2.0], 3.0, inner=inner,
                      disturbance=[0.5],
                      seconds=4.0 if status == "unknown" else 60.0)  # fmt: skip
    assert found.status == status
    if inner is not None and status == "proved":
        assert "comes to {V <= 0.26}" in found.claim


def test_without_its_disturbance_too_much_would_be_proved(monkeypatch):
    """A planted fault: the pushes are left out."""
    enclose = _disturbed._Disturbed.enclose

    def calm(self, lo, hi):
        self.reach = 0 * self.reach
        return enclose(self, lo, hi)

    monkeypatch.setattr(_disturbed._Disturbed, "enclose", calm)
    found = attracted(pushed, square, [-2.0], [2.0], 3.0, inner=0.1, disturbance=[0.5])
    assert found.status == "proved"


def test_a_set_that_grows_is_refuted():
    grows = lambda x, w: x * (1 - x)
    found = attracted(grows, square, [-0.5], [2.0], 0.2, inner=0.1)
    assert found.status == "refuted" and 0.1 <= found.witness[0] ** 2 <= 0.2
    assert attracted(grows, square, [-0.5], [2.0], 0.2, seconds=4.0).status == "unknown"


def test_a_barrier_holds_or_names_what_is_wrong():
    """Circles around 0, turning inward: x' = -x turned by an eighth."""
    turned = lambda x, w: jnp.stack([-x[0] - x[1], x[0] - x[1]])
    ask = lambda **more: barrier(
        turned, square, [-2.0] * 2, [2.0] * 2, level=1.0,
        **{"start": ([-0.7] * 2, [0.7] * 2), "avoid": ([0.8] * 2, [1.5] * 2)} | more,
    )  # fmt: skip
    assert ask().status == "proved"
    far = ask(start=([-0.8] * 2, [0.7] * 2))
    assert far.status == "refuted" and float(square(far.witness)) > 1
    near = ask(avoid=([0.6] * 2, [1.5] * 2))
    assert near.status == "refuted" and float(square(near.witness)) <= 1
    with pytest.raises(tl.InputError, match="lo <= hi"):
        ask(start=([1.0] * 2, [0.0] * 2))


GAIN = np.array([[0.1, 0.7]], np.float32)


def linear(x):
    return -(GAIN @ x)


def test_the_reach_of_an_execution_holds_every_error():
    """Beside float64 runs of the same numbers, at random real states."""
    lo, hi = np.array([-3.0, -2.0]), np.array([3.0, 2.0])
    reach = executed_reach(linear, lo, hi)
    rng = np.random.default_rng(0)
    exact = rng.uniform(lo, hi, (4000, 2))
    rounded = exact.astype(np.float32)
    assert (np.abs(rounded.astype(np.float64) - exact) <= reach[:2]).all()
    ran = np.asarray(jax.vmap(linear)(jnp.asarray(rounded)), np.float64)
    true = -(rounded.astype(np.float64) @ GAIN.astype(np.float64).T)
    assert (np.abs(ran - true) <= reach[2:]).all() and reach[2] < 1e-6


def plant(x, u):
    return jnp.stack([x[1], 0.5 * x[0] + 4.0 * u[0] - x[1]])


def test_a_float32_controller_is_drawn_into_a_small_set():
    V = lambda x: 2.0 * x[0] ** 2 + x[0] * x[1] + x[1] ** 2
    f = lambda x: -(jnp.array([[0.5, 0.1]], jnp.float32) @ x)
    ask = lambda inner: as_executed(plant, f, V, [-2.0] * 2, [2.0] * 2, 1.0,
                                    inner=inner, seconds=10.0)  # fmt: skip
    assert ask(1e-6).status == "proved"
    assert ask(1e-16).status != "proved"  # rounding alone moves x by more than 1e-8


def test_what_may_overflow_is_not_decided():
    with pytest.raises(tl.UndecidedError, match="overflow"):
        executed_reach(lambda x: jnp.exp(x), np.array([-1.0]), np.array([100.0]))


def test_a_solution_that_leaves_is_enclosed_until_it_has():
    """x' = x from 1/2 is at e^t / 2: it passes 1 at ln 2."""
    found = escape(lambda x: x, square, [0.5], 1.0, end=2.0)
    assert found is not None
    time, box = found
    assert time >= math.log(2) and box.lo[0] <= math.exp(time) / 2 <= box.hi[0]
    assert escape(lambda x: -x, square, [0.5], 1.0, end=0.5) is None


def test_the_regulator_solves_its_equation():
    """x'' = u, in rationals: P = [[a, b], [b, c]] leaves of Riccati's equation

        [[1 - b^2, a - b c], [a - b c, 1 + 2 b - c^2]],

    which is 0 at b = 1, a = c = sqrt 3. If no entry exceeds r < 1/8 and P is positive
    definite, then |b - 1| <= r, |c^2 - 3| <= 3 r, so |c - sqrt 3| <= sqrt 3 r <= 2 r,
    and |a - sqrt 3| <= r + |b| |c - sqrt 3| + sqrt 3 |b - 1| <= r + (9/8) 2 r + 2 r,
    less than 8 r. With r = 2^-27 that is half a unit of float32, in which it is used.
    """
    double = lambda x, u: jnp.stack([x[1], u[0]])
    found = regulator(double, 2, 1)
    (a, b), (again, c) = ([Fraction(v) for v in row] for row in found.cost.tolist())
    assert abs(again - b) <= Fraction(1, 2**27) and a > 0 and a * c > b * b
    left = 1 - b * b, a - b * c, 1 + 2 * b - c * c
    assert max(map(abs, left)) <= Fraction(1, 2**27)
    assert found.gain.tolist() == [[float(again), float(c)]]
    with pytest.raises(tl.InputError, match="stabilises"):
        regulator(lambda x, u: jnp.stack([x[0], u[0]]), 2, 1)


def test_a_counterexample_goes_into_the_next_training(monkeypatch):
    """x'' = u with |u| < 2, by small networks; what decides stands in for a prover,
    which is slow to compile, and refutes the first round."""
    double = lambda x, u: jnp.stack([x[1], u[0]])
    asked, seen = [], []
    repeated = _synthesis._repeated

    def decide(f, V, lo, hi, level, seconds):
        asked.append((V, level, f(jnp.zeros(2))))
        status = "refuted" if len(asked) == 1 else "proved"
        witness = np.array([0.25, -0.125]) if len(asked) == 1 else None
        return Stability(status, "", level, 0.0, 0, 0.0, witness)

    def watched(points):
        seen.append(points)
        return repeated(points)

    monkeypatch.setattr(_synthesis, "lyapunov", decide)
    monkeypatch.setattr(_synthesis, "_repeated", watched)
    found = synthesize(double, [-1.0] * 2, [1.0] * 2, limit=2.0, units=3, steps=300)
    assert found.rounds == 2 and found.stability.status == "proved"
    assert [len(points) for points in seen] == [0, 1]
    assert seen[1].tolist() == [[0.25, -0.125]]
    assert (np.asarray(repeated(seen[1])) == seen[1]).all()
    assert all((rates == 0).all() for *_, rates in asked)  # at rest in 0, exactly
    assert float(found.V(jnp.zeros(2))) == 0 and found.level == asked[1][1]
    share = share_below(found.V, found.level, [-1.0] * 2, [1.0] * 2)
    points = np.random.default_rng(0).uniform(-1, 1, (4000, 2)).astype(np.float32)
    values = np.asarray(jax.vmap(found.V)(points))
    # a share below that of the points, up to 4 standard errors of 4000 points
    assert 0 < share <= (values <= found.level).mean() + 4 * 0.5 / math.sqrt(4000)
    assert largest_level(lambda x: double(x, found.controller(x)), found.V,
                         -np.ones(2), np.ones(2)) > found.level  # fmt: skip


def test_the_largest_level_is_found_between_what_was_proved_and_what_was_not(
    monkeypatch,
):
    """What writes certificates stands aside: it refuses levels above 0.1."""
    asked = []

    def document(f, V, lo, hi, level):
        asked.append(level)
        if level > 0.1:
            raise tl.CertificateWriteError("too large")
        return str(level).encode()

    monkeypatch.setattr(_neural_control, "stability_document", document)
    found = _neural_control.ellipsoid("cart-pole")
    assert found.status == "proved" and found.certified <= 0.1 < 1.03 * found.certified
    assert found.certificate() == str(found.certified).encode()
    assert len(asked) == len(set(asked)) <= 12  # nothing is asked twice
    # at a point where V rises; 8 is V on the faces of the box that is looked through
    assert 0.5 < found.sampled < 8.0


@pytest.mark.parametrize(("inner", "reach"), [(2.0, [0.5]), (0.0, [0.5]), (0.5, [-1.0]),
                                              (0.5, [math.inf])])  # fmt: skip
def test_levels_and_disturbances_without_a_meaning(inner, reach):
    with pytest.raises(tl.InputError, match="inner must be"):
        attracted(pushed, square, [-2.0], [2.0], 1.0, inner=inner, disturbance=reach)
