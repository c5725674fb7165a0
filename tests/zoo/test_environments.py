"""The zoo's worlds as environments, beside Gymnasium's own check and own CartPole, and
an audit that finds planted faults."""

import sys
import warnings

import numpy as np
import pytest

from torchlean_jax import InputError, zoo
from torchlean_jax.zoo import _environments
from torchlean_jax.zoo._extras import MissingExtraError


def test_without_the_extra_it_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "gymnasium", None)
    with pytest.raises(MissingExtraError, match=r"torchlean-jax\[gym\]"):
        zoo.as_gymnasium("cartpole")


def test_an_unknown_world_is_refused():
    with pytest.raises(InputError, match="cartpole, pendulum, gridworld"):
        zoo.as_gymnasium("lander")


@pytest.fixture
def gymnasium():
    return pytest.importorskip("gymnasium", reason="the `gym` extra is not installed")


@pytest.mark.parametrize("name", _environments.ENVIRONMENTS)
def test_a_world_of_ours_passes_both_checks(name, gymnasium):
    from gymnasium.utils.env_checker import check_env

    world = zoo.as_gymnasium(name)
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        check_env(world, skip_render_check=True)
    # Pendulum's torques are newton metres, and not from -1 to 1; no environment of
    # ours is registered under a name
    known = ("symmetric and normalized", "spec")
    assert not [w for w in said if not any(k in str(w.message) for k in known)]
    report = zoo.audit_environment(world, rewards=world.reward_range, limit=500)
    assert report, report.faults
    assert report.steps > 3


@pytest.mark.parametrize(
    ("name", "theirs", "count"),
    [("cartpole", "CartPole-v1", 8), ("pendulum", "Pendulum-v1", 20)],
)
def test_a_world_is_gymnasiums_own(name, theirs, count, gymnasium):
    """State by state, from the same state with the same actions."""
    ours, theirs = zoo.as_gymnasium(name), gymnasium.make(theirs).unwrapped
    seen, _ = ours.reset(seed=3)
    theirs.reset(seed=3)
    ours.action_space.seed(0)
    theirs.state = np.array(seen, np.float64)
    for _ in range(count):
        action = ours.action_space.sample()
        seen, reward, over, _, _ = ours.step(action)
        _, expected, ended, _, _ = theirs.step(action)
        # roundings of float32 that a step of 1/50 s hardly enlarges
        np.testing.assert_allclose(seen, theirs.state, atol=1e-4)
        np.testing.assert_allclose(reward, expected, atol=1e-3)
        assert over == ended


def test_actions_that_are_none_and_steps_before_a_start_are_refused(gymnasium):
    world = zoo.as_gymnasium("cartpole")
    with pytest.raises(InputError, match="reset"):
        world.step(0)
    world.reset(seed=0)
    with pytest.raises(InputError, match="is not in"):
        world.step(2)


FAULTS = {
    "infinite or no number": lambda s: ([s[0][0], np.nan], *s[1:]),
    "not in Box": lambda s: (s[0].astype(np.float64), *s[1:]),
    "a reward is inf": lambda s: (s[0], np.inf, *s[2:]),
    r"reward of 2.0 is not in \[0.0, 1.0\]": lambda s: (s[0], 2.0, *s[2:]),
    "a reward is not a number": lambda s: (s[0], np.ones(1), *s[2:]),
    "terminated is 1, not": lambda s: (*s[:2], 1, *s[3:]),
    "truncated is None": lambda s: (*s[:3], None, s[4]),
    "no end after 20 steps": lambda s: (*s[:2], False, False, s[4]),
    "info is list": lambda s: (*s[:4], []),
    "five values": lambda s: s[:4],
}


def foreign(gymnasium, change, reset=lambda r: r):
    """Somebody's environment of two numbers, with a fault."""

    class Walk(gymnasium.Env):
        observation_space = gymnasium.spaces.Box(-10, 10, (2,), np.float32)
        action_space = gymnasium.spaces.Discrete(2)

        def reset(self, *, seed=None, options=None):
            super().reset(seed=seed)
            self.at, self.age = self.np_random.uniform(-1, 1, 2).astype(np.float32), 0
            return reset((self.at.copy(), {}))

        def step(self, action):
            self.age += 1
            self.at += np.float32(action - 0.5)
            return change((self.at.copy(), 1.0, self.age == 10, False, {}))

    return Walk()


def audited(environment):
    return zoo.audit_environment(environment, rewards=(0.0, 1.0), limit=20, episodes=1)


def test_a_foreign_world_without_a_fault_passes(gymnasium):
    report = audited(foreign(gymnasium, lambda s: s))
    assert report and report.steps == 10


@pytest.mark.parametrize("said", FAULTS)
def test_a_planted_fault_is_found(said, gymnasium):
    change = FAULTS[said]
    listed = lambda s: tuple(
        np.array(x, np.float32) if isinstance(x, list) and x else x for x in change(s)
    )
    report = audited(foreign(gymnasium, listed))
    assert not report
    with pytest.raises(AssertionError, match=said):
        raise AssertionError(report.faults[0])


def test_a_course_of_its_own_is_found(gymnasium):
    random = np.random.default_rng(0)
    wild = lambda s: (s[0] + random.uniform(0, 1, 2).astype(np.float32), *s[1:])
    (fault,) = audited(foreign(gymnasium, wild)).faults
    assert "another course" in fault


def test_an_observation_that_is_written_over_is_found(gymnasium):
    kept = np.zeros(2, np.float32)

    def shared(s):
        kept[:] = s[0]
        return (kept, *s[1:])

    (fault,) = audited(foreign(gymnasium, shared)).faults
    assert "has changed" in fault


def test_a_reset_without_info_is_found(gymnasium):
    (fault,) = audited(foreign(gymnasium, lambda s: s, lambda r: r[0])).faults
    assert "reset does not return" in fault
