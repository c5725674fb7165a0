"""The zoo's worlds as environments of Gymnasium, and an audit of any such environment.

Gymnasium's own `check_env` looks at spaces and signatures. What `audit_environment`
asks besides is what an agent learns from: numbers that are finite, rewards in the range
that is stated, ends that are flags, and the same course for the same seed and actions.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from torchlean_jax.domains._errors import InputError
from torchlean_jax.zoo._extras import import_extra


@dataclass(frozen=True)
class _World:
    """start(key); moved(key, state, action) -> (state, reward, over).

    seen: the space of the states that are not over yet; actions: how many, or ends of
    the interval they are from.
    """

    start: Callable
    moved: Callable
    seen: Callable
    actions: int | tuple[float, float]
    limit: int
    rewards: tuple[float, float]


def _cartpole() -> _World:
    from torchlean_jax.zoo.ppo import cartpole
    from torchlean_jax.zoo.ppo.train import World

    def moved(key, state, action):
        after = World.moved(state, action)
        return after, World.reward(state, action), World.over(after)

    # an episode may end one step beyond the limits; speeds have none
    ends = np.array([2 * cartpole.WIDEST, 1e6, 2 * cartpole.STEEPEST, 1e6], np.float32)
    seen = lambda spaces: spaces.Box(-ends, ends)  # noqa: E731
    return _World(World.start, moved, seen, 2, cartpole.LIMIT, (1.0, 1.0))


def _pendulum() -> _World:
    from torchlean_jax.zoo.pendulum import swing

    def moved(key, state, action):
        torque = action[..., 0]
        after = swing.moved(state, torque)
        return after, swing.reward(state, torque), swing.over(after)

    # an angle goes on by FASTEST a second at most
    turned = np.pi + swing.LIMIT * swing.TICK * swing.FASTEST
    ends = np.array([turned, swing.FASTEST], np.float32)
    worst = -(np.pi**2 + 0.1 * swing.FASTEST**2 + 0.001 * swing.TORQUE**2) - 1e-4
    return _World(
        swing.start,
        moved,
        lambda spaces: spaces.Box(-ends, ends),
        (-swing.TORQUE, swing.TORQUE),
        swing.LIMIT,
        (worst, 0.0),
    )


def _gridworld() -> _World:
    from torchlean_jax.zoo.dqn import gridworld as grid

    move, last = jnp.asarray(grid.MOVE), jnp.array([grid.GOAL, grid.HOLE])
    worth = jnp.zeros(grid.CELLS).at[last].set(jnp.array([1.0, -1.0]))
    others = np.setdiff1d(np.arange(grid.CELLS), last)

    def start(key):
        return jax.random.choice(key, jnp.asarray(others))

    def moved(key, cell, action):
        after = jax.random.categorical(key, jnp.log(move[action, cell]))
        return after, worth[after], (after == last).any()

    cells = lambda spaces: spaces.Discrete(grid.CELLS)  # noqa: E731
    return _World(start, moved, cells, grid.ACTIONS, 200, (-1.0, 1.0))


ENVIRONMENTS = {"cartpole": _cartpole, "pendulum": _pendulum, "gridworld": _gridworld}


def as_gymnasium(name: str) -> Any:
    """A world of the zoo, `cartpole`, `pendulum` or `gridworld`, as a `gymnasium.Env`.

    Observations are the states that the zoo's agents see; an episode is truncated at
    the limit of the zoo. Its `reward_range` is that of each step.

    Raises InputError for another name, MissingExtraError without gymnasium.
    """
    if name not in ENVIRONMENTS:
        raise InputError(f"no world {name!r}: there are {', '.join(ENVIRONMENTS)}")
    gymnasium = _gymnasium()
    world = ENVIRONMENTS[name]()
    start, moved = jax.jit(world.start), jax.jit(world.moved)

    class Environment(gymnasium.Env):
        metadata = {"render_modes": []}  # noqa: RUF012
        reward_range = world.rewards

        def __init__(self):
            self.observation_space = world.seen(gymnasium.spaces)
            self.action_space = _actions(world.actions, gymnasium.spaces)
            self.render_mode = None
            self.state, self.age = None, 0

        def reset(self, *, seed=None, options=None):
            super().reset(seed=seed)
            self.state, self.age = start(self._key()), 0
            return self._seen(), {}

        def step(self, action):
            if self.state is None:
                raise InputError(f"{name}: an episode begins with reset()")
            if not self.action_space.contains(action):
                raise InputError(f"{name}: {action!r} is not in {self.action_space}")
            found = moved(self._key(), self.state, action)
            self.state, reward, over = found
            self.age += 1
            truncated = self.age >= world.limit
            return self._seen(), float(reward), bool(over), truncated, {}

        def _key(self):
            return jax.random.key(int(self.np_random.integers(2**31)))

        def _seen(self):
            # a copy: the caller's own
            space = self.observation_space
            seen = np.array(self.state, space.dtype)
            return seen if space.shape else int(seen)

    return Environment()


@dataclass(frozen=True)
class EnvironmentReport:
    """What an audit of an environment found; true if there is no fault.

    faults: each with the episode and the step; steps: how many were taken.
    """

    faults: tuple[str, ...]
    steps: int

    def __bool__(self) -> bool:
        return not self.faults


def audit_environment(
    environment: Any,
    *,
    rewards: tuple[float, float] = (-np.inf, np.inf),
    limit: int = 1000,
    episodes: int = 3,
    seed: int = 0,
) -> EnvironmentReport:
    """Run a `gymnasium.Env` with random actions and look at all that it returns.

    Each observation is of its space, in shape, dtype and range, finite, and left as it
    was by later steps; each reward is a finite number in `rewards`; the flags of the
    end are booleans, and one comes within `limit` steps; from the same seed the same
    actions lead through the same numbers. Tried, not proved: of `episodes` episodes.
    The first fault of an episode ends it.

    Raises MissingExtraError without gymnasium.
    """
    _gymnasium()
    faults, steps = [], 0
    for episode in range(episodes):
        first = _Episode(environment, rewards, limit, seed + episode)
        again = _Episode(environment, rewards, limit, seed + episode)
        found = next(first.faults(), None)
        if found is None:
            found = next(again.faults(), None)
            if found is None and first.course != again.course:
                found = "the same seed and actions led to another course"
        steps += len(first.course) - 1
        if found is not None:
            faults.append(f"episode {episode + 1}, step {first.steps}: {found}")
    return EnvironmentReport(tuple(faults), steps)


class _Episode:
    """One episode; `course`: all that was returned, in bytes."""

    def __init__(self, environment, rewards, limit, seed):
        self.environment, self.rewards = environment, rewards
        self.limit, self.seed = limit, seed
        self.course, self.steps = [], 0

    def faults(self) -> Iterator[str]:
        space = self.environment.action_space
        space.seed(self.seed)
        returned = self.environment.reset(seed=self.seed)
        if not (isinstance(returned, tuple) and len(returned) == 2):
            yield "reset does not return (observation, info)"
            return
        seen, kept = returned[0], _bytes(returned[0])
        yield from self._of(*returned)
        self.course.append(kept)
        while self.steps < self.limit:
            self.steps += 1
            returned = self.environment.step(space.sample())
            if not (isinstance(returned, tuple) and len(returned) == 5):
                yield "step does not return five values"
                return
            if _bytes(seen) != kept:
                yield "the observation before has changed"
            seen, reward, *ends, info = returned
            kept = _bytes(seen)
            yield from self._of(seen, info)
            yield from self._at_the_end(reward, ends)
            self.course.append((kept, float(reward), *map(bool, ends)))
            if any(ends):
                return
        yield f"no end after {self.limit} steps"

    def _of(self, seen, info) -> Iterator[str]:
        space = self.environment.observation_space
        if not _finite(seen):
            yield "an observation is infinite or no number"
        if not space.contains(seen):
            yield f"an observation is not in {space}: {_named(seen)}"
        if not isinstance(info, dict):
            yield f"info is {type(info).__name__}, not a dictionary"

    def _at_the_end(self, reward, ends) -> Iterator[str]:
        if np.shape(reward) != () or not np.issubdtype(
            np.asarray(reward).dtype, np.number
        ):
            yield f"a reward is not a number: {_named(reward)}"
        elif not np.isfinite(reward):
            yield f"a reward is {reward}"
        elif not self.rewards[0] <= reward <= self.rewards[1]:
            yield f"a reward of {reward} is not in {list(self.rewards)}"
        for name, flag in zip(("terminated", "truncated"), ends, strict=True):
            if not isinstance(flag, bool | np.bool_):
                yield f"{name} is {_named(flag)}, not a boolean"


def _finite(seen) -> bool:
    """Of arrays, and of dictionaries and tuples of them."""
    return all(
        np.isfinite(x).all()
        for x in map(np.asarray, jax.tree.leaves(seen))
        if np.issubdtype(x.dtype, np.inexact)
    )


def _bytes(seen):
    return tuple(np.asarray(x).tobytes() for x in jax.tree.leaves(seen))


def _named(x) -> str:
    x = np.asarray(x)
    return f"{x.dtype}{list(x.shape)}" if x.shape else repr(x.item())


def _actions(actions, spaces):
    if isinstance(actions, int):
        return spaces.Discrete(actions)
    return spaces.Box(*actions, (1,), np.float32)


def _gymnasium():
    return import_extra("gymnasium", extra="gym", purpose="an environment of Gymnasium")
