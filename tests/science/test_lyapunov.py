"""Stable sets beside systems whose exact limits are known, and planted faults."""

import math

import jax.numpy as jnp
import numpy as np
import pytest

import torchlean_jax as tl
from torchlean_jax.science import _lyapunov, lyapunov


def square(x):
    return jnp.sum(x * x)


def falling(x):
    """0 is stable, and pi is where it ends."""
    return -jnp.sin(x)


@pytest.mark.parametrize(("level", "status"), [(9.8, "proved"), (9.875, "refuted")])
def test_a_sine_is_stable_up_to_pi_squared(level, status):
    """pi^2 = 9.8696; on faces at 3.15, V is 9.9225."""
    found = lyapunov(falling, square, [-3.15], [3.15], level)
    assert found.status == status
    if status == "proved":
        assert found.neighbourhood > 0 and found.witness is None
    else:
        x = float(found.witness[0])
        assert x * x <= level and abs(x) >= math.pi - 1e-9


def halved(x):
    return 0.5 * x + x**3


@pytest.mark.parametrize(("level", "status"), [(0.49, "proved"), (0.51, "refuted")])
def test_in_discrete_time(level, status):
    """x/2 + x^3 has its next fixed points at x^2 = 1/2."""
    found = lyapunov(halved, square, [-1.0], [1.0], level, discrete=True)
    assert found.status == status
    if status == "refuted":
        x = float(found.witness[0])
        assert 0.5 <= x * x <= level


def wells(x):
    """Low around 0, around 2 pi, and lower still around 4 pi."""
    each = 1 - jnp.cos(x) + 0.01 * x**2 - 5.9e-5 * x**4
    return jnp.sum(each)


def jump(x):
    """0 to 0 and 2 pi to 4 pi, both with slope 0."""
    u = x / (2 * jnp.pi)
    return 4 * jnp.pi * (3 * u**2 - 2 * u**3)


def test_a_jump_out_of_the_box_is_no_proof():
    """V falls along every solution, from one well over the face into the next."""
    found = lyapunov(jump, wells, [-1.0], [7.5], 0.32, discrete=True, seconds=600)
    assert found.status == "refuted" and "leads out" in found.claim
    (x,) = found.witness
    assert abs(x - 2 * math.pi) < 0.3 and float(jump(jnp.array(x))) > 7.5
    assert lyapunov(jump, wells, [-1.0], [1.2], 0.32, discrete=True).status == "proved"


def hollow(x):
    """Stable but for a small interval around 0, where it flees."""
    return -x * (x * x - 2.0**-20)


def test_a_hole_at_the_origin_is_not_proved():
    found = lyapunov(hollow, square, [-1.0], [1.0], 0.5, seconds=5.0)
    assert found.status != "proved" and found.neighbourhood == 0


def test_what_is_not_decided_does_not_read_like_a_proof():
    """One batch of the faces and the box itself, whatever compiling takes: the sine's
    set is not seen in it, and the claim says that, and what is open."""
    found = lyapunov(falling, square, [-3.15], [3.15], 9.8, seconds=0.0, batch=4)
    assert found.status == "unknown" and found.cells == 3
    assert found.claim.startswith("not decided, after 3 cells, whether every solution")
    low, high = found.cell
    assert f"from {low.tolist()} to {high.tolist()}" in found.claim
    assert -3.15 <= low[0] < high[0] <= 3.15
    longer = lyapunov(falling, square, [-3.15], [3.15], 9.8, seconds=60.0, batch=4)
    assert longer.status == "proved" and longer.claim.startswith("every solution")


def test_without_the_argument_at_the_origin_the_hole_would_be_proved(monkeypatch):
    """A planted fault: every Hessian is called definite."""
    monkeypatch.setattr(_lyapunov, "_definite", lambda hessians, sign: True)
    assert lyapunov(hollow, square, [-1.0], [1.0], 0.5).status == "proved"


@pytest.mark.parametrize(
    ("matrix", "sign", "definite"),
    [
        ([[2, 1], [1, 2]], 1, True),
        ([[1, 2], [2, 1]], 1, False),
        ([[-2, 1], [1, -2]], -1, True),
        ([[1, 1], [1, 1]], 1, False),
        ([[0, 0], [0, 1]], 1, False),
        ([[1, math.nan], [math.nan, 1]], 1, False),
    ],
)
def test_definiteness_is_that_of_the_eigenvalues(matrix, sign, definite):
    exact = np.array([matrix], float)
    assert _lyapunov._definite(tl.Interval(exact, exact), sign) == definite
    wide = tl.Interval(exact - 1.0, exact + 1.0)  # holds a singular one in each case
    assert not _lyapunov._definite(wide, sign)


@pytest.mark.parametrize(
    ("f", "V", "message"),
    [
        (lambda x: jnp.tanh(x + 0.125), square, r"f\(0\)"),
        (falling, lambda x: square(x) + 1.0, r"V\(0\)"),
        (falling, lambda x: square(x) + x[0], "gradient"),
        (falling, lambda x: jnp.sum(jnp.abs(x)), "smooth"),
    ],
)
def test_what_is_no_equilibrium_is_refused(f, V, message):
    with pytest.raises(tl.InputError, match=message):
        lyapunov(f, V, [-1.0], [1.0], 0.5)


@pytest.mark.parametrize(
    ("lo", "hi", "level"),
    [([0.0], [1.0], 1.0), ([-1.0], [math.inf], 1.0), ([-1.0], [1.0], 0.0),
     ([-1.0], [1.0, 1.0], 1.0)],
)  # fmt: skip
def test_boxes_without_a_meaning_are_refused(lo, hi, level):
    with pytest.raises(tl.InputError):
        lyapunov(falling, square, lo, hi, level)


def cubic(x):
    """Four times x' = -x + x^3, each drawn to 0 from below 1, and not from 1."""
    return -x + x**3


def test_a_box_of_four_states_is_settled_at_once():
    """P J + J^T P is definite up to x^2 = 1/3; the Hessian of W would be to 1/6 only,
    and 0.2 holds points beyond that. On faces at 1/2 V is 1/4 or more."""
    box = [-0.5] * 4, [0.5] * 4
    found = lyapunov(cubic, square, *box, 0.2)
    assert found.status == "proved" and found.neighbourhood == 1.0
    assert found.claim.startswith("every solution that starts in {V <= 0.2}")
    assert _lyapunov.settled(cubic, square, *map(np.array, box), 0.26) is None


@pytest.mark.parametrize(("level", "settled"), [(0.25, True), (0.75, False)])
def test_what_is_not_settled_is_searched(level, settled, monkeypatch):
    """One state taken for many: P J + J^T P is not definite beyond 1/3 = x^2, and cells
    prove the set, which is drawn to 0 up to x^2 = 1."""
    monkeypatch.setattr(_lyapunov, "CUT", 0)
    found = lyapunov(cubic, square, [-0.875], [0.875], level)
    assert found.status == "proved" and (found.neighbourhood == 1.0) == settled
    arc = lambda x: -jnp.arctan(x)  # no step of a program
    assert _lyapunov.settled(arc, square, *np.array([[-1.0], [1.0]]), 0.5) is None
