"""Proximal policy optimisation of any world and any policy, as an entry's loss.

A world has `start(key, *shape)`, `moved(state, action)`, `reward(state, action)`,
`over(state)`, whether the episode ended there, and `LIMIT`, the steps of an episode. A
policy says, of its network's output, how actions are drawn, how likely they are and how
open it still is.

Sources: Schulman et al. 2017 (arXiv:1707.06347), equations 7 and 9, algorithm 1;
Schulman et al. 2016 (arXiv:1506.02438), equation 16.
"""

import functools
from dataclasses import dataclass
from typing import Any, Protocol

import jax
import jax.numpy as jnp

import torchlean_jax as tl
from torchlean_jax.zoo._agents import Agent
from torchlean_jax.zoo._entry import Trained
from torchlean_jax.zoo._network import Network, Variables

NUMBERS = ("log_probability", "advantage", "return")  # of an event
CLIP = 0.2


def advantages(errors, alive, discount, decay):
    """sum over k of (discount decay)^k errors[t + k], up to the end of the episode.

    errors: [time, ...], r + discount V(next) - V; alive: 0 where an episode ended.
    """

    def before(later, at):
        error, alive = at
        found = error + discount * decay * alive * later
        return found, found

    zero = jnp.zeros_like(errors[0])
    return jax.lax.scan(before, zero, (errors, alive), reverse=True)[1]


def surrogate(log_probability, before, advantage):
    """The clipped objective of each action, to be increased; `before` is the
    logarithm of its probability when it was taken."""
    ratio = jnp.exp(log_probability - before)
    clipped = jnp.clip(ratio, 1 - CLIP, 1 + CLIP)
    return jnp.minimum(ratio * advantage, clipped * advantage)


def rows_are_independent(network: Network, state: int, action: str = "__call__"):
    """The claim of every policy: action names what it does, of states of that size."""

    def rows_are_independent(trained: Trained):
        """What is done in one state, and its value, depend on no other state of the
        batch, whatever the weights are."""

        @tl.claims.batch_independent(argnums=1)
        @tl.claims.example(trained.shapes.params, jnp.zeros((3, state)))
        def decided(params, states):
            here = Variables(params, {})
            does, value = (network.function(here, name) for name in (action, "value"))
            return does(states), value(states)

        return decided

    return rows_are_independent


class Actions(Protocol):
    """What a policy's output means; `none` is an action of each of so many rows."""

    def draw(self, key, output) -> Any: ...
    def log_probability(self, output, action) -> Any: ...
    def entropy(self, output) -> Any: ...
    def none(self, count: int) -> Any: ...


@dataclass(frozen=True)
class Learning:
    """A rollout of many copies of the world at once, and some epochs on it.

    copies, time: of a rollout, which has copies * time events; the network's `value`
    is of a state. worth: of the reward, in the units of that value.
    """

    network: Network
    world: Any
    actions: Actions
    copies: int
    time: int
    epochs: int
    discount: float
    decay: float
    entropy: float
    worth: float = 1.0
    value: float = 0.5

    @property
    def events(self) -> int:
        return self.copies * self.time

    def agent(self) -> Agent:
        return Agent(self.network, self.remember)

    def remember(self, params, key) -> dict[str, Any]:
        """Copies at their start, and an empty rollout."""
        state = self.world.start(key, self.copies)
        return {
            "state": state,
            "age": jnp.zeros(self.copies),
            "seen": jnp.zeros((), jnp.int32),  # events learned from, of this rollout
            "event.state": jnp.zeros((self.events, state.shape[-1])),
            "event.action": self.actions.none(self.events),
        } | {f"event.{name}": jnp.zeros(self.events) for name in NUMBERS}

    def rollout(self, params, memory, key) -> dict[str, Any]:
        """The memory with what the policy does now, from where the copies are."""
        world, actions, network = self.world, self.actions, self.network
        policy = Variables(jax.lax.stop_gradient(params), {})
        value = network.function(policy, "value")

        def step(carry, key):
            state, age = carry
            drawing, fresh = jax.random.split(key)
            output = network.function(policy)(state)
            action = actions.draw(drawing, output)
            after = world.moved(state, action)
            over = world.over(after)
            # at the time limit the episode ends for the clock alone: its value goes on
            later = jnp.where(over, 0.0, value(after))
            gained = self.worth * world.reward(state, action)
            ended = over | (age + 1 >= world.LIMIT)
            event = {
                "state": state,
                "action": action,
                "log_probability": actions.log_probability(output, action),
                "error": gained + self.discount * later - value(state),
                "alive": 1.0 - ended,
            }
            state = jnp.where(ended[:, None], world.start(fresh, self.copies), after)
            return (state, jnp.where(ended, 0.0, age + 1)), event

        start, keys = (memory["state"], memory["age"]), jax.random.split(key, self.time)
        (state, age), events = jax.lax.scan(step, start, keys)
        errors, alive = events.pop("error"), events.pop("alive")
        found = advantages(errors, alive, self.discount, self.decay)
        events |= {"advantage": found, "return": found + value(events["state"])}
        flat = {
            f"event.{k}": v.reshape(self.events, *v.shape[2:]).astype(
                memory[f"event.{k}"].dtype
            )
            for k, v in events.items()
        }
        return memory | flat | {"state": state, "age": age}

    def loss(self, variables, chosen, key):
        """Clipped objective, error of the value and entropy, at the chosen events."""
        params, memory = variables
        fresh = functools.partial(self.rollout, params, memory, key)
        memory = jax.lax.cond(memory["seen"] == 0, fresh, lambda: memory)
        state, action, before, advantage, target = (
            memory[f"event.{name}"][chosen] for name in ("state", "action", *NUMBERS)
        )
        advantage = (advantage - advantage.mean()) / (advantage.std() + 1e-8)
        here = Variables(params, {})
        output = self.network.function(here)(state)
        likely = self.actions.log_probability(output, action)
        gain = surrogate(likely, before, advantage).mean()
        entropy = self.actions.entropy(output).mean()
        off = self.network.function(here, "value")(state) - target
        seen = (memory["seen"] + len(chosen)) % (self.events * self.epochs)
        loss = -gain + self.value * (off**2).mean() - self.entropy * entropy
        return loss, memory | {"seen": seen}
