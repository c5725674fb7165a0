"""Enclosures of solutions beside closed forms and mpmath, and with planted faults."""

import dataclasses
import math

import jax
import jax.numpy as jnp
import mpmath
import numpy as np
import pytest

import torchlean_jax as tl
from torchlean_jax.domains.interval import Interval
from torchlean_jax.science import EscapeError, _sets, _trajectory, trajectory
from torchlean_jax.science._series import Series, Taylor

WEIGHTS = np.array([[0.5, -1.25, 0.75], [1.0, 0.25, -0.5]], np.float32)


def lorenz(t, y):
    a, b, c = y
    return jnp.stack([10.0 * (b - a), a * (28.0 - c) - b, a * b - (8.0 / 3.0) * c])


def oscillator(t, y):
    return jnp.stack([y[1], -y[0]])


def van_der_pol(t, y):
    return jnp.stack([y[1], (1.0 - y[0] ** 2) * y[1] - y[0]])


def solved(field, start, end):
    """By mpmath's own Taylor method at 20 digits; boxes here are wider than 1e-14."""
    with mpmath.workdps(20):
        return [mpmath.mpf(v) for v in mpmath.odefun(field, 0, start)(end)]


def holds(box: Interval, point) -> bool:
    return all(
        mpmath.mpf(float(a)) <= v <= mpmath.mpf(float(b))
        for a, b, v in zip(box.lo, box.hi, point, strict=True)
    )


def test_lorenz_to_one_from_a_point():
    found = trajectory(lorenz, [1.0, 1.0, 1.0], 1.0, tolerance=1e-12)
    third = mpmath.mpf(8.0 / 3.0)  # the field's own constant is the float
    truth = solved(
        lambda t, y: [
            *(10 * (y[1] - y[0]), y[0] * (28 - y[2]) - y[1]),
            y[0] * y[1] - third * y[2],
        ],
        [1, 1, 1],
        1,
    )
    assert holds(found.end, truth)
    assert found.width < 1e-8 and found.times[-1] == 1.0


def turned(point, t):
    with mpmath.workdps(30):
        c, s = mpmath.cos(t), mpmath.sin(t)
        return c * point[0] + s * point[1], c * point[1] - s * point[0]


@pytest.fixture(scope="module")
def spinning():
    return trajectory(oscillator, tl.box(np.array([1.0, 0.0]), radius=0.125), 20.0)


def test_a_turning_box_is_not_wrapped(spinning):
    """The box that holds a square of side 1/4, turned by 20, has this side."""
    exact = 0.25 * (abs(math.cos(20)) + abs(math.sin(20)))
    assert exact <= spinning.width <= exact * (1 + 1e-9)
    for corner in ((0.875, -0.125), (1.125, 0.125), (0.875, 0.125)):
        assert holds(spinning.end, turned(corner, 20))


def test_the_tube_holds_every_time_between(spinning):
    times = spinning.times
    for k in range(0, len(times) - 1, 7):
        for share in (0.1, 0.5, 0.9):
            t = float(times[k]) + share * float(times[k + 1] - times[k])
            assert holds(spinning.tube[k], turned((1.05, -0.05), t))


def test_a_box_of_van_der_pol_goes_round():
    """Once around the limit cycle; the corners, by mpmath, end inside."""
    box = tl.box(np.array([2.0, 0.0]), radius=1e-3)
    found = trajectory(van_der_pol, box, 7.0)
    field = lambda t, y: [y[1], (1 - y[0] ** 2) * y[1] - y[0]]
    for corner in ([box.lo[0], box.lo[1]], [box.hi[0], box.lo[1]]):
        assert holds(
            found.end, solved(field, [mpmath.mpf(float(v)) for v in corner], 7)
        )
    assert found.width < 0.02


def test_a_neural_field_that_depends_on_time():
    def field(t, y):
        return jnp.tanh(WEIGHTS @ jnp.concatenate([y, t[None]])) - y

    w = [[mpmath.mpf(float(v)) for v in row] for row in WEIGHTS]

    def same(t, y):
        sums = [row[0] * y[0] + row[1] * y[1] + row[2] * t for row in w]
        return [mpmath.tanh(s) - v for s, v in zip(sums, y, strict=True)]

    found = trajectory(field, [1.0, -0.5], 1.0)
    assert holds(found.end, solved(same, [1, mpmath.mpf(-0.5)], 1))
    assert found.width < 1e-12


def test_what_escapes_is_followed_until_it_does():
    """y' = -1/y: sqrt(1 - 2 t), which leaves the field's domain at t = 1/2."""
    with pytest.raises(EscapeError) as caught:
        trajectory(lambda t, y: -1.0 / y, [1.0], 2.0, order=2, tolerance=1e-2)
    assert 0.4 < caught.value.time < 0.5 and "t = " in str(caught.value)


FUNCTIONS = {
    "exp": mpmath.exp,
    "tanh": mpmath.tanh,
    "logistic": lambda x: 1 / (1 + mpmath.exp(-x)),
    "softplus": lambda x: mpmath.log(1 + mpmath.exp(x)),
    "expm1": mpmath.expm1,
    "sin": mpmath.sin,
    "cos": mpmath.cos,
    "sinh": mpmath.sinh,
    "cosh": mpmath.cosh,
    "log": mpmath.log,
    "sqrt": mpmath.sqrt,
    "rsqrt": lambda x: 1 / mpmath.sqrt(x),
    "inverse": lambda x: 2 / x,
    "product": lambda x: x * x**3,
}


def _all_functions(x):
    other = [jnp.exp, jnp.tanh, jax.nn.sigmoid, jax.nn.softplus, jnp.expm1, jnp.sin]
    other += [jnp.cos, jnp.sinh, jnp.cosh, jnp.log, jnp.sqrt, jax.lax.rsqrt]
    other += [lambda v: 2 / v, lambda v: v * v**3]
    return jnp.stack([f(x) for f in other])


def test_coefficients_are_those_of_taylor():
    """Of g(s (1 + t)) in t, and their derivatives by s, at s = 0.75.

    The k-th is s^k g_k, g_k that of g around s; by s, it is k s^(k - 1) g_k +
    (k + 1) s^k g_(k + 1).
    """
    order, s = 3, 0.75

    def parts(s):
        domain = Taylor(order, 1)
        x = domain.constant(Interval(s, s))
        x = jax.tree.map(
            lambda e: e.at[0, 1].set(s).at[1, 0].set(1.0).at[1, 1].set(1.0), x
        )
        return tl.interpret(_all_functions, domain=domain)(Series(x)).parts

    with jax.enable_x64(True):
        found = jax.jit(parts)(jnp.float64(s))
    with mpmath.workdps(40):
        for k, (name, g) in enumerate(FUNCTIONS.items()):
            near = mpmath.taylor(g, s, order + 1)
            own = [mpmath.mpf(s) ** j * near[j] for j in range(order + 1)]
            by = [
                j * mpmath.mpf(s) ** (j - 1) * near[j]
                + (j + 1) * mpmath.mpf(s) ** j * near[j + 1]
                for j in range(order + 1)
            ]
            for row, exact in ((0, own), (1, by)):
                box = Interval(found.lo[row, :, k], found.hi[row, :, k])
                assert holds(box, exact), (name, row)
                assert np.ptp([box.lo, box.hi], axis=0).max() < 1e-12, (name, row)


def squared(t, y):
    return y * y


@pytest.fixture
def traced_anew(monkeypatch):
    """All that a fault can be in is traced again; the series stay compiled."""
    anew = _trajectory._tools.__wrapped__(squared, 2, 1)
    known = _trajectory._tools(squared, 2, 1)
    advance = jax.jit(lambda *given: _trajectory._advance(*given))
    tools = dataclasses.replace(anew, expand=known.expand, advance=advance)
    monkeypatch.setattr(_trajectory, "_tools", lambda *_: tools)


FAULTS = {
    "no remainder": (_trajectory, "_with_rest", lambda c, beyond: jax.tree.map(
        lambda e: e.at[-1].set(0.0), c)),
    "no room on the way": (_trajectory, "_picard", lambda rate, t, h, y: (
        jnp.array(True), y)),
    "a middle for a derivative": (_sets, "_less", lambda a, b: Interval(
        jnp.zeros_like(a.lo), jnp.zeros_like(a.lo))),
}  # fmt: skip


def contained(radius) -> bool:
    """y' = y^2: 1 / (1 / y - t), at the ends of a box of starts."""
    start = tl.box(np.array([0.875]), radius=radius)
    exact = [1 / (1 / mpmath.mpf(float(v[0])) - 0.5) for v in (start.lo, start.hi)]
    end = trajectory(squared, start, 0.5, order=2, tolerance=1e-3).end
    return all(holds(end, [v]) for v in exact)


def test_coarse_steps_hold_the_solutions():
    assert contained(0.0) and contained(0.0625)


@pytest.mark.parametrize("name", FAULTS)
def test_a_planted_fault_is_noticed(name, traced_anew, monkeypatch):
    monkeypatch.setattr(*FAULTS[name])
    assert not contained(0.0625 if "derivative" in name else 0.0)


@pytest.mark.parametrize(
    "wrong",
    [
        lambda: trajectory(oscillator, [1.0, 0.0], -1.0),
        lambda: trajectory(oscillator, [1.0, 0.0], math.inf),
        lambda: trajectory(oscillator, [[1.0, 0.0]], 1.0),
        lambda: trajectory(oscillator, [math.nan, 0.0], 1.0),
        lambda: trajectory(oscillator, [1.0, 0.0], 1.0, order=1),
        lambda: trajectory(lambda t, y: y[:1], [1.0, 0.0], 1.0),
        lambda: trajectory(lambda t, y: y - y.astype(int), [1.0], 1.0),
    ],
)
def test_questions_without_a_meaning_are_refused(wrong):
    with pytest.raises(tl.InputError):
        wrong()


def test_a_field_with_a_kink_is_refused_by_name():
    with pytest.raises(tl.MissingRuleError, match="max"):
        trajectory(lambda t, y: jnp.maximum(y, 0.0), [1.0], 1.0)


def test_a_step_whose_end_is_rounded_is_inside_its_box():
    """fl(1 + h) - 1 may be more than h: the box has to hold for all of it."""
    with jax.enable_x64(True):
        rate = tl.interpret(lambda t, y: jnp.ones_like(y), domain=Interval)
        zero = Interval(jnp.zeros(1), jnp.zeros(1))
        longer = 0
        for h in np.linspace(1e-3, 2e-3, 9):
            done, box = _trajectory._picard(rate, 1.0, jnp.asarray(h), zero)
            assert bool(done) and box.hi[0] >= (1.0 + h) - 1.0
            longer += (1.0 + h) - 1.0 > h
        assert longer
