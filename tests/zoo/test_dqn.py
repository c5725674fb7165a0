"""Q-learning on GridWorld: the exact solution, the claims, planted faults."""

from dataclasses import replace
from fractions import Fraction

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from torchlean_jax import zoo
from torchlean_jax.zoo import dqn
from torchlean_jax.zoo._claims import check_claim
from torchlean_jax.zoo.dqn import claims, gridworld
from torchlean_jax.zoo.dqn import train as training


@pytest.fixture(scope="module")
def trained():
    return zoo.train(dqn.ENTRY, replace(dqn.ENTRY.settings, steps=1000))


@pytest.mark.parametrize("claim", claims.CLAIMS[:3], ids=lambda claim: claim.__name__)
def test_the_claim_holds(claim, trained):
    finding = check_claim(claim, trained)
    assert finding.status == "holds", finding.evidence


def test_the_values_come_closer(trained):
    before = dqn.ENTRY.evaluate(dqn.ENTRY.network.init(jax.random.key(0)), trained.data)
    assert trained.metrics["off"] < 0.5 * before["off"]
    assert trained.metrics["regret"] < before["regret"]


def test_the_solution_is_that_of_value_iteration():
    """In float64, by NumPy: 2,000 steps of a contraction by 15/16."""
    values = np.zeros(gridworld.CELLS)
    for _ in range(2000):
        each = gridworld.REWARD + gridworld.DISCOUNT * (gridworld.MOVE @ values)
        values = each.max(0)
    found = np.array(list(map(float, gridworld.solution())))
    np.testing.assert_allclose(found, values, atol=1e-12)  # 2 / (1 - 15/16) ulps
    assert 0 < found[0] < 1 and found[gridworld.GOAL] == 0


def test_probabilities_are_those_of_the_ground():
    totals = gridworld.MOVE.sum(-1)
    ends = [gridworld.GOAL, gridworld.HOLE]
    assert (totals[:, ends] == 0).all()
    assert (np.delete(totals, ends, 1) == 1).all()
    # from the corner to the left: 7/8 at the walls, 1/8 down
    assert gridworld.MOVE[3, 0].tolist()[:5] == [7 / 8, 0, 0, 0, 1 / 8]


def test_a_policy_that_is_not_the_best_is_found(trained, monkeypatch):
    right = dqn.Q.__call__
    monkeypatch.setattr(dqn.Q, "__call__", lambda self, cell: -right(self, cell))
    assert check_claim(claims.policy_is_the_best, trained).status == "fails"


def test_an_operator_of_means_is_found(monkeypatch, trained):
    mean = lambda values: gridworld.values_of_actions(values).mean(0)
    monkeypatch.setattr(gridworld, "bellman", mean)
    assert check_claim(claims.operator_is_bellmans, trained).status == "fails"


@pytest.mark.parametrize(
    ("wrong", "status"),
    [
        (lambda values: 1.25 * values, "fails"),
        (lambda values: values**2, "unknown"),
    ],
)
def test_an_operator_that_does_not_contract_is_found(
    wrong, status, monkeypatch, trained
):
    right = gridworld.values_of_actions
    monkeypatch.setattr(
        gridworld, "values_of_actions", lambda values: right(wrong(values))
    )
    assert check_claim(claims.operator_contracts, trained).status == status


def test_a_gradient_through_the_target_is_found(monkeypatch, trained):
    def through(values, reward, goes_on):
        return reward + gridworld.DISCOUNT * goes_on * values.max(-1)

    monkeypatch.setattr(claims, "target", through)
    claim = claims.gradient_leaves_the_target_alone
    assert check_claim(claim, trained).status == "fails"


def test_walkers_move_as_the_world_does(trained):
    events = {k: np.asarray(v) for k, v in trained.variables.state.items()}
    cell, action, after = (events[f"event.{k}"] for k in ("cell", "action", "next"))
    assert (gridworld.MOVE[action, cell, after] > 0).all()
    assert not np.asarray(training.ended(jnp.asarray(cell))).any()


def test_values_of_a_policy_satisfy_their_equation():
    policy = [1] * gridworld.CELLS
    values = gridworld.of_policy(policy)
    cell, discount = 6, Fraction(gridworld.DISCOUNT)
    shares = map(Fraction, gridworld.MOVE[1, cell])
    expected = sum(p * v for p, v in zip(shares, values, strict=True))
    reward = Fraction(gridworld.REWARD[1, cell])
    assert values[cell] == reward + discount * expected
