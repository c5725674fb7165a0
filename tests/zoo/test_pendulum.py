"""The pendulum: it is swung up, its claims hold, planted faults are found.

The oracle of the dynamics is Gymnasium's Pendulum-v1 as it is documented, in float64.
"""

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from torchlean_jax import InputError, zoo
from torchlean_jax.zoo import pendulum
from torchlean_jax.zoo._claims import check_claim
from torchlean_jax.zoo.pendulum import claims, model, swing
from torchlean_jax.zoo.pendulum import train as training

FRESH = zoo.untrained(pendulum.ENTRY)
RULES = claims.CLAIMS[:-1]


def published(angle, speed, torque):
    """One step of the documented environment: the state after it, and the reward."""
    u = np.clip(torque, -2, 2)
    wrapped = ((angle + np.pi) % (2 * np.pi)) - np.pi
    cost = wrapped**2 + 0.1 * speed**2 + 0.001 * u**2
    new = speed + (3 * 10 / (2 * 1) * np.sin(angle) + 3.0 / (1 * 1**2) * u) * 0.05
    new = np.clip(new, -8, 8)
    return angle + new * 0.05, new, -cost


def test_the_world_is_the_documented_one():
    random = np.random.default_rng(0)
    angle = random.uniform(-7, 7, 500)
    speed, torque = random.uniform(-8, 8, 500), random.uniform(-4, 4, 500)
    state = jnp.asarray(np.stack([angle, speed], -1), jnp.float32)
    found = swing.moved(state, jnp.asarray(torque, jnp.float32))
    gained = swing.reward(state, jnp.asarray(torque, jnp.float32))
    angles, speeds, rewards = published(angle, speed, torque)
    # 8 roundings of numbers up to 20: float32's 6e-8 each
    np.testing.assert_allclose(found[:, 0], angles, atol=1e-5)
    np.testing.assert_allclose(found[:, 1], speeds, atol=1e-5)
    # an angle just short of half a turn may be wrapped to the other side: same square
    np.testing.assert_allclose(gained, rewards, atol=1e-4)
    states = swing.start(jax.random.key(0), 1000)
    assert abs(states[:, 0]).max() <= np.pi and abs(states[:, 1]).max() <= 1
    assert abs(states[:, 0]).max() > 3 and not swing.over(states).any()


@pytest.mark.parametrize("claim", RULES, ids=lambda claim: claim.__name__)
def test_the_claim_holds(claim):
    finding = check_claim(claim, FRESH)
    assert finding.status == "holds", finding.evidence


def fails(claim):
    return check_claim(claim, FRESH).status == "fails"


def test_a_pendulum_that_hangs_upright_is_found(monkeypatch):
    right = swing.acceleration
    monkeypatch.setattr(
        swing, "acceleration", lambda a, u, g, m, l: right(a, u, -g, m, l)
    )
    assert fails(claims.dynamics_are_lagranges)


def steered(gain):
    """A controller by hand: a torque against angle and speed, of this gain."""
    params = {name: 0 * x for name, x in FRESH.variables.params.items()}
    params["sense.kernel"] = params["sense.kernel"].at[1:, 0].set(jnp.array([4.0, 8.0]))
    params["act.kernel"] = params["act.kernel"].at[0, 0].set(-gain)
    return replace(FRESH, variables=FRESH.variables._replace(params=params))


def swung(trained, first, ticks):
    """Angles under it by the documented world, in float64."""
    torque, (angle, speed), angles = trained.function("torque"), first, [first[0]]
    for _ in range(ticks):
        u = float(torque(jnp.array([angle, speed], jnp.float32)))
        angle, speed, _ = published(angle, speed, u)
        angles.append(angle)
    return np.abs(angles)


@pytest.mark.parametrize(("gain", "status"), [(2.0, "holds"), (-2.0, "fails")])
def test_what_is_proved_of_a_controller_is_seen(gain, status, monkeypatch):
    """One that pushes the right way, and one that pushes the other way."""
    monkeypatch.setattr(claims, "TICKS", 4)
    monkeypatch.setattr(claims, "REACHED", 0.17)
    trained = steered(gain)
    assert check_claim(claims.is_brought_back, trained).status == status
    corners = [(a, s) for a in (0.15, 0.2) for s in (-0.05, 0.05)]
    seen = [swung(trained, first, 4) for first in corners]
    safe = all(x.max() < 0.25 and x.min() < 0.17 for x in seen)
    assert safe == (status == "holds")


def test_states_that_mix_are_found(monkeypatch):
    right = model.Controller.__call__
    monkeypatch.setattr(
        model.Controller, "__call__", lambda self, x: right(self, x - x.mean(0))
    )
    assert fails(claims.CLAIMS[1])


def test_the_distribution_of_torques_is_normal():
    """Density and entropy against the definition in float64, draws by their moments."""
    torques, output = model.Torques(), jnp.array([0.3, -0.7])
    mean, spread = 0.6, 2 * np.exp(np.float64(-0.7))
    action = np.array([-1.0, 0.5, 2.5])
    density = np.exp(-(((action - mean) / spread) ** 2) / 2) / (
        spread * np.sqrt(2 * np.pi)
    )
    found = jax.vmap(lambda a: torques.log_probability(output, a))(jnp.asarray(action))
    # of the torque in units of its limit, 2
    np.testing.assert_allclose(np.exp(found), 2 * density, rtol=1e-5)
    entropy = np.log(spread / 2 * np.sqrt(2 * np.pi * np.e))
    np.testing.assert_allclose(torques.entropy(output), entropy, rtol=1e-5)
    keys = jax.random.split(jax.random.key(0), 10_000)
    drawn = np.asarray(jax.vmap(lambda key: torques.draw(key, output))(keys))
    # five standard errors of mean and spread
    assert abs(drawn.mean() - mean) < 5 * spread / 100
    assert abs(drawn.std() - spread) < 5 * spread / np.sqrt(20_000)


def test_a_rollout_remembers_what_was_gained():
    """The return of the last event is its reward and the discounted value after it."""
    params, memory = FRESH.variables
    found = training.LEARNING.rollout(params, memory, jax.random.key(0))
    copies, time = training.LEARNING.copies, training.LEARNING.time
    states = np.asarray(found["event.state"]).reshape(time, copies, 2)
    action = np.asarray(found["event.action"]).reshape(time, copies)
    angle, speed, reward = published(*states[-1].T.astype(float), action[-1])
    value = FRESH.entry.network.function(FRESH.variables, "value")
    later = np.asarray(value(jnp.asarray(np.stack([angle, speed], -1), jnp.float32)))
    expected = 0.1 * reward + 0.95 * later
    last = np.asarray(found["event.return"]).reshape(time, copies)[-1]
    np.testing.assert_allclose(last, expected, atol=1e-4)
    angle, speed, _ = published(
        *states[:-1].reshape(-1, 2).T.astype(float), action[:-1].ravel()
    )
    np.testing.assert_allclose(states[1:, :, 0].ravel(), angle, atol=1e-5)
    assert found["age"].tolist() == [time] * copies


def test_files_are_refused():
    with pytest.raises(InputError, match="not from files"):
        pendulum.ENTRY.load("a.csv")
