"""Programs beside the functions that they come from, and certificates with them."""

import json
import math
from fractions import Fraction

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import torchlean_check
import torchlean_jax as tl
from torchlean_check._fixed import exact, fixed
from torchlean_check._programs import read_program, values
from torchlean_jax.science import (
    Trajectory,
    stability_document,
    trajectory_document,
)
from torchlean_jax.science._program import written

WEIGHTS = np.random.default_rng(0).normal(size=(3, 4)).astype(np.float32)


def layered(x):
    hidden = jax.nn.sigmoid(jnp.tanh(x @ WEIGHTS) - 0.25)
    return jnp.concatenate([hidden, jnp.sum(hidden, keepdims=True)]) / 3.0


def mixed(x):
    a, b, c = x
    top = jnp.stack([a * b - c**3, jnp.exp(-a) * jnp.cos(b), jnp.log(2.0 + c**2)])
    return top / (1.5 + jnp.sin(x) ** 2) + jnp.array([0.0, a / b, (a * c) ** -2])


@pytest.mark.parametrize("f", [layered, mixed], ids=["layered", "mixed"])
def test_a_program_has_the_values_of_its_function(f):
    """In float64, at points; the program's own width is below that of 80 bits."""
    with jax.enable_x64(True):
        entry = written(f, [(3,)])
        count = len(entry["outputs"])
        program = read_program(entry, "f", 3, count)
        for x in np.random.default_rng(1).uniform(0.25, 2.0, (5, 3)):
            found = values(program, [fixed(Fraction(float(v))) for v in x])
            expected = np.asarray(f(jnp.asarray(x)))
            low, high = (np.array([float(exact(v[k])) for v in found]) for k in (0, 1))
            assert np.allclose(low, expected, rtol=1e-12, atol=1e-12)
            assert (high - low <= 2.0**-80).all()


def test_equal_steps_are_one():
    entry = written(lambda x: (x + 1.0) * (x + 1.0), [()])
    kinds = [step[0] for step in entry["steps"]]
    assert kinds == ["linear", "product"]
    assert entry["steps"][1][1] == entry["steps"][1][2]


@pytest.mark.parametrize(
    ("f", "error", "words"),
    [
        (lambda x: jnp.sqrt(x), tl.MissingRuleError, "sqrt"),
        (lambda x: jnp.abs(x), tl.MissingRuleError, "abs"),
        (lambda x: x / 0.0, tl.InputError, "divides by 0"),
        (lambda x: x * jnp.inf, tl.InputError, "not finite"),
    ],
)
def test_what_no_program_says_is_refused(f, error, words):
    with pytest.raises(error, match=words):
        written(f, [(2,)])


def square(x):
    return jnp.sum(x * x)


def test_a_stable_set_is_certified_up_to_where_it_ends():
    """x' = -sin x: pi^2 = 9.8696; a little more is not written."""
    falling = lambda x: -jnp.sin(x)
    blob = stability_document(falling, square, [-3.15], [3.15], 9.8)
    report = torchlean_check.check(blob)
    assert report.accepted and "tends to 0" in report.claim
    document = json.loads(blob)
    assert Fraction(document["level"]) == Fraction(9.8)
    with pytest.raises(tl.CertificateWriteError, match="open"):
        stability_document(falling, square, [-3.15], [3.15], 9.875)
    grown = blob.replace(document["level"].encode(), str(Fraction(9.875)).encode())
    assert not torchlean_check.check(grown).accepted


def test_no_set_is_certified_around_a_hole():
    hollow = lambda x: -x * (x * x - 2.0**-20)
    with pytest.raises(tl.CertificateWriteError, match="P J"):
        stability_document(hollow, square, [-1.0], [1.0], 0.5)


def test_where_all_is_convex_no_cell_is_left():
    """x' = -x, V = x^T P x: the Hessians alone decide the whole box."""
    P = np.array([[2.0, 1.0], [1.0, 1.0]], np.float32)
    blob = stability_document(lambda x: -x, lambda x: x @ P @ x, [-1.0] * 2, [1.0] * 2,
                              0.49)  # fmt: skip
    document = json.loads(blob)
    assert document["inner"] == document["box"]
    # on the face x_1 = 1 the least is det P / P_00 = 1/2, at x_0 = -1/2
    with pytest.raises(tl.CertificateWriteError):
        stability_document(lambda x: -x, lambda x: x @ P @ x, [-1.0] * 2, [1.0] * 2,
                           0.51)  # fmt: skip


HEARD = np.array([[1.0, -0.5, 0.25], [0.5, 1.0, -0.75]], np.float32)


def bent(x):
    """A network, and a square that makes it definite."""
    return jnp.sum(jnp.tanh(x @ HEARD) ** 2) + 0.25 * jnp.sum(x * x)


def test_a_network_is_a_lyapunov_function():
    """Along x' = -x it falls, for tanh(s)^2 does as s shrinks; what it is not is convex
    on all of the box, nor is its rate concave."""
    blob = stability_document(lambda x: -x, bent, [-1.5] * 2, [1.5] * 2, 0.75)
    assert torchlean_check.check(blob).accepted
    document = json.loads(blob)
    assert document["inner"] != document["box"]
    x = np.linspace(-1.5, 1.5, 61)  # the level is one that the box holds
    faces = [(a, s) for s in (-1.5, 1.5) for a in x]
    points = np.array(faces + [p[::-1] for p in faces], np.float32)
    assert float(jax.vmap(bent)(points).min()) > 0.75
    turned = document["field"] | {"outputs": [0, 1]}  # x' = x
    away = document | {"field": turned}
    text = json.dumps(away, sort_keys=True, separators=(",", ":"))
    report = torchlean_check.check(text.encode())
    assert not report.accepted and "Hessian of W" in report.reason


def turning(t, y):
    return jnp.stack([y[1], -y[0]])


def at(times) -> Trajectory:
    """What the writer needs of a trajectory: its times."""
    nothing = tl.Interval(jnp.zeros(1), jnp.zeros(1))
    return Trajectory(np.array(times), nothing, nothing, 0.0)


def test_a_trajectory_is_certified():
    """From a point, the turn by 1 is known; the checker has 96 bits."""
    blob = trajectory_document(turning, [1.0, 0.0], at([0.0, 0.5, 1.0]), order=24)
    report = torchlean_check.check(blob)
    assert report.accepted and "exists on [0, 1]" in report.claim
    end = json.loads(blob)["end"]
    for lo, hi, value in zip(end["lo"], end["hi"], (math.cos(1), -math.sin(1)),
                             strict=True):  # fmt: skip
        assert float(Fraction(lo)) <= value <= float(Fraction(hi))
        assert Fraction(hi) - Fraction(lo) <= Fraction(2, 2**50)
    narrow = json.loads(blob)
    narrow["end"]["hi"][0] = narrow["end"]["lo"][0]
    again = json.dumps(narrow, sort_keys=True, separators=(",", ":")).encode()
    assert not torchlean_check.check(again).accepted


def test_a_box_that_turns_is_not_wrapped():
    """A square of side 0.2 turned by 6.25 is one again, as wide as it was."""
    start = tl.box(jnp.array([1.0, 0.0]), radius=0.1)
    times = np.linspace(0, 6.25, 26)
    end = json.loads(trajectory_document(turning, start, at(times)))["end"]
    sides = [
        Fraction(b) - Fraction(a) for a, b in zip(end["lo"], end["hi"], strict=True)
    ]
    turned = 0.2 * (math.cos(6.25) - math.sin(6.25))
    assert all(float(side) == pytest.approx(turned, rel=1e-6) for side in sides)


def test_steps_that_are_too_long_are_halved():
    blob = trajectory_document(turning, [1.0, 0.0], at([0.0, 0.5, 8.0]))
    assert len(json.loads(blob)["steps"]) > 4
    with pytest.raises(tl.CertificateWriteError, match="no box is found"):
        # y' = y^2 from 1 is infinite at 1
        trajectory_document(lambda t, y: y * y, [1.0], at([0.0, 0.5, 1.25]))
