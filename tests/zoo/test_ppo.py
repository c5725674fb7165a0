"""The policy on CartPole: it learns, its claims hold, planted faults are found."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from torchlean_jax import InputError, zoo
from torchlean_jax.zoo import ppo
from torchlean_jax.zoo._claims import check_claim
from torchlean_jax.zoo.ppo import cartpole, claims, reach
from torchlean_jax.zoo.ppo import train as training

FRESH = zoo.untrained(ppo.ENTRY)
RULES = claims.CLAIMS[:-1]


@pytest.fixture(scope="module")
def trained():
    return zoo.train(ppo.ENTRY, replace(ppo.ENTRY.settings, steps=640))


@pytest.mark.parametrize("claim", RULES, ids=lambda claim: claim.__name__)
def test_the_claim_holds(claim):
    finding = check_claim(claim, FRESH)
    assert finding.status == "holds", finding.evidence


def test_the_policy_learns_and_is_safe(trained, monkeypatch):
    assert trained.metrics["mean_return"] > 100  # fresh ones last about 10 steps
    monkeypatch.setattr(claims, "TICKS", 9)
    monkeypatch.setattr(claims, "PARTS", 4)
    assert check_claim(claims.stays_upright, trained).status == "holds"


def test_a_policy_that_pushes_away_is_found(trained, monkeypatch):
    right = ppo.Policy.margin
    monkeypatch.setattr(ppo.Policy, "margin", lambda self, x: -right(self, x))
    monkeypatch.setattr(claims, "PARTS", 1)
    assert check_claim(claims.stays_upright, trained).status == "fails"


def test_boxes_that_run_out_leave_it_open(trained, monkeypatch):
    monkeypatch.setattr(claims, "PARTS", 2)
    monkeypatch.setattr(claims, "MOST", 15)
    assert check_claim(claims.stays_upright, trained).status == "unknown"


def test_boxes_contain_what_is_simulated(trained):
    """In float64, with NumPy alone."""
    params = {k: np.asarray(v, float) for k, v in trained.variables.params.items()}
    start = np.random.default_rng(0).uniform(-1 / 64, 1 / 64, (200, 4))
    margin = trained.function("margin")
    gravity, cart, pole, length = map(float, np.float32(cartpole.CONSTANTS))
    boxes = reach.reached(margin, reach.within(1 / 64, 2), 6, 10_000)
    state, tick = start, float(np.float32(cartpole.TICK))
    for found in boxes:
        hidden = state @ params["sense.kernel"] + params["sense.bias"]
        logits = np.maximum(hidden, 0) @ params["act.kernel"] + params["act.bias"]
        force = np.where(logits[:, 1] > logits[:, 0], 10.0, -10.0)
        _, speed, angle, turning = state.T
        mass = cart + pole
        push = (force + pole * length * turning**2 * np.sin(angle)) / mass
        turn = (gravity * np.sin(angle) - np.cos(angle) * push) / (
            length * (4 / 3 - pole * np.cos(angle) ** 2 / mass)
        )
        place = push - pole * length * turn * np.cos(angle) / mass
        state = state + tick * np.stack([speed, place, turning, turn], -1)
        inside = (found.lo <= state[:, None]) & (state[:, None] <= found.hi)
        assert inside.all(-1).any(-1).all()


def fails(claim):
    return check_claim(claim, FRESH).status == "fails"


def test_advantages_over_the_end_of_an_episode_are_found(monkeypatch):
    monkeypatch.setattr(
        claims, "advantages", lambda e, alive, g, d: ppo.advantages(e, alive**0, g, d)
    )
    assert fails(claims.advantages_are_their_definition)


def test_a_pole_that_falls_upwards_is_found(monkeypatch):
    right = claims.accelerations
    monkeypatch.setattr(
        claims, "accelerations", lambda s, f, g, *rest: right(s, f, -g, *rest)
    )
    assert fails(claims.dynamics_are_lagranges)


def test_an_objective_without_a_clip_is_found(monkeypatch):
    wrong = lambda score, before, advantage: jnp.exp(score - before) * advantage
    monkeypatch.setattr(claims, "surrogate", wrong)
    assert fails(claims.objective_is_clipped_as_declared)


def test_states_that_mix_are_found(monkeypatch):
    right = ppo.Policy.__call__
    monkeypatch.setattr(
        ppo.Policy, "__call__", lambda self, x: right(self, x - x.mean(0))
    )
    assert fails(claims.CLAIMS[3])


def test_a_rollout_ends_episodes_and_remembers_their_values():
    params, memory = FRESH.variables
    memory = memory | {"age": memory["age"] + 499}
    learning = training.LEARNING
    found = learning.rollout(params, memory, jax.random.key(0))
    assert found["event.action"].shape == (learning.events,)
    assert (found["age"] < learning.time).all()  # all began anew
    states = found["event.state"].reshape(learning.time, learning.copies, 4)
    assert (abs(states[1]) <= 0.05).all()
    assert not cartpole.fallen(states).any()
    value = FRESH.entry.network.function(FRESH.variables, "value")(found["event.state"])
    np.testing.assert_array_equal(
        found["event.return"], found["event.advantage"] + value
    )


def test_files_are_refused():
    with pytest.raises(InputError, match="not from files"):
        ppo.ENTRY.load("a.csv")
