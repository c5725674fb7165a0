"""Closed loops: trajectories as functions, and what is proved of all of them.

The oracles: steps in exact fractions, and trajectories in extended precision from a
grid of first states, corners included.
"""

import itertools
from fractions import Fraction

import jax.numpy as jnp
import mpmath
import numpy as np
import pytest

import torchlean_check
import torchlean_jax as tl

UPRIGHT = [[1.0, 0.0], [-1.0, 0.0]]  # both rows above -r: the angle is within r


def torque(x, gain=4.0):
    pull = gain * x[0] + 2.0 * x[1]
    return -(jnp.maximum(pull + 1.0, 0.0) - jnp.maximum(pull - 1.0, 0.0) - 1.0)


def pendulum(x, gain=4.0):
    velocity = x[1] + (jnp.sin(x[0]) + torque(x, gain)) / 16
    return jnp.stack([x[0] + velocity / 16, velocity])


def angles(first, gain, steps):
    """The same in 60 digits."""
    with mpmath.workdps(60):
        angle, velocity = map(mpmath.mpf, first)
        found = [angle]
        for _ in range(steps):
            pull = min(max(gain * angle + 2 * velocity, -1), 1)
            velocity += (mpmath.sin(angle) - pull) / 16
            angle += velocity / 16
            found.append(angle)
    return found


def test_states_are_those_of_the_step():
    """All numbers here are dyadic: float32 is exact."""
    step = lambda x, k: {"a": x["a"] / 2 + k, "b": x["b"] - x["a"]}
    found = tl.rollout(step, 3)({"a": jnp.float32(8), "b": jnp.ones(2)}, 1.0)
    assert found["a"].tolist() == [8, 5, 3.5, 2.75]
    assert found["b"].tolist() == [[1, 1], [-7, -7], [-12, -12], [-15.5, -15.5]]


@pytest.mark.parametrize("steps", [0, -1, True])
def test_a_rollout_has_steps(steps):
    with pytest.raises(tl.InputError, match="at least one step"):
        tl.rollout(lambda x: x, steps)


def test_a_step_returns_a_state():
    with pytest.raises(tl.InputError, match=r"float32\[2\].*returns.*float32\[\]"):
        tl.rollout(lambda x: x[0], 2)(jnp.zeros(2))


@pytest.mark.parametrize("kind", ["always", "eventually"])
def test_specs_of_trajectories_are_the_quantifiers(kind):
    random = np.random.default_rng(0)
    C, d = random.integers(-3, 4, (2, 3)), random.integers(-2, 3, 2)
    spec = getattr(tl.spec, kind)(C, d, states=4)
    formula = spec.formula([jnp.zeros((4, 3))])
    quantifier = all if kind == "always" else any
    seen = set()
    for _ in range(200):
        states = random.integers(-3, 4, (4, 3))
        holds = quantifier((C @ x - d > 0).all() for x in states)
        values = formula.rows @ states.ravel() - formula.offset
        assert (formula.robustness(values.tolist()) > 0) == holds
        seen.add(holds)
    assert seen == {True, False}


@pytest.mark.parametrize("states", [0, -2, True])
def test_a_trajectory_has_states(states):
    with pytest.raises(tl.InputError, match="at least one state"):
        tl.spec.always([1.0], states=states)


STEPS, FIRST = 4, tl.box([-0.25, -0.0625], [0.25, 0.0625])
CAUGHT = tl.spec.always(UPRIGHT, -0.3, states=STEPS + 1)
CAUGHT &= tl.spec.eventually(UPRIGHT, -0.25, states=STEPS + 1)
SWINGS = tl.rollout(pendulum, STEPS)  # one model: it is compiled once for all gains


def test_a_pendulum_is_caught():
    """Safe and reaching its set over the reals, from all of the box: with a proof."""
    found = tl.verify(SWINGS, (FIRST, 4.0), CAUGHT, method="ibp", timeout=60)
    assert found.status == "proved" and found.parts > 1
    assert torchlean_check.check(found.certificate.bytes).accepted
    for first in itertools.product(
        np.linspace(-0.25, 0.25, 9), np.linspace(-0.0625, 0.0625, 9)
    ):
        sizes = [abs(a) for a in angles(first, 4, STEPS)]
        assert max(sizes) < 0.3 and min(sizes) < 0.25


def test_a_controller_of_the_wrong_sign_is_refuted():
    """By a trajectory inside the box that is not safe, or never reaches."""
    found = tl.verify(SWINGS, (FIRST, -4.0), CAUGHT, method="ibp", timeout=60)
    assert found.status == "refuted"
    first = [Fraction(float(x)) for x in found.counterexample[0]]
    assert abs(first[0]) <= Fraction(1, 4) and abs(first[1]) <= Fraction(1, 16)
    sizes = [abs(a) for a in angles(list(map(float, first)), -4, STEPS)]
    assert max(sizes) >= 0.3 or min(sizes) >= 0.25


def cart_pole(x):
    """The classic task (Barto, Sutton and Anderson 1983), steps of 1/50 s, with a
    linear controller whose force is limited to 10 N."""
    position, speed, angle, turn = x
    pull = position + 2.0 * speed + 30.0 * angle + 8.0 * turn
    force = jnp.clip(pull, -10.0, 10.0)
    sine, cosine = jnp.sin(angle), jnp.cos(angle)
    thrust = (force + 0.05 * turn**2 * sine) / 1.1
    fall = (9.8 * sine - cosine * thrust) / (0.5 * (4 / 3 - 0.1 * cosine**2 / 1.1))
    push = thrust - 0.05 * fall * cosine / 1.1
    rates = jnp.stack([speed, push, turn, fall])
    return x + 0.02 * rates


def test_a_pole_stays_up_for_some_steps():
    steps = 2
    limits = np.array([[0, 0, 1, 0], [0, 0, -1, 0]])  # 12 degrees
    spec = tl.spec.always(limits, -0.2094, states=steps + 1)
    box, model = tl.box(np.zeros(4), radius=0.02), tl.rollout(cart_pole, steps)
    found = tl.verify(model, box, spec, method="ibp", attack=False)
    assert found.status == "proved"
    assert torchlean_check.check(found.certificate.bytes).accepted


def test_a_pendulum_is_safe_in_every_execution():
    steps, box = 2, tl.box([-0.125, -0.0625], [0.125, 0.0625])
    spec = tl.spec.always(UPRIGHT, -0.25, states=steps + 1)
    found = tl.verify(
        *(tl.rollout(pendulum, steps), box, spec),
        method="ibp",
        semantics="fp32",
        attack=False,
    )
    assert found.status == "proved" and found.semantics == "fp32"
    assert torchlean_check.check(found.certificate.bytes).accepted
