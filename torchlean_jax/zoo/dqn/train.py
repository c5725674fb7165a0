"""How the values are learned: from a memory of what was done, towards older values."""

import functools

import jax
import jax.numpy as jnp
import numpy as np

from torchlean_jax.zoo._agents import Agent
from torchlean_jax.zoo._entry import Entry, Goal
from torchlean_jax.zoo._network import Variables
from torchlean_jax.zoo._settings import Settings
from torchlean_jax.zoo.dqn import gridworld
from torchlean_jax.zoo.dqn.claims import CLAIMS
from torchlean_jax.zoo.dqn.data import places
from torchlean_jax.zoo.dqn.gridworld import ACTIONS, CELLS, GOAL, HOLE
from torchlean_jax.zoo.dqn.model import NETWORK, squared_error, target

WALKERS, KEPT = 16, 4096  # events of each update, and in memory
EXPLORED = 0.3  # of the actions are drawn uniformly
RENEWED = 50  # updates after which the target is the network as it is
OLD = "target."


def remember(params, key):
    """Walkers anywhere, no events, and the target network as the network starts."""
    integers = functools.partial(jnp.zeros, KEPT, jnp.int32)
    events = {"cell": integers(), "action": integers(), "next": integers()}
    return {
        "walkers": jax.random.randint(key, (WALKERS,), 0, CELLS),
        "updates": jnp.zeros((), jnp.int32),
        **{f"event.{name}": value for name, value in events.items()},
        **{OLD + name: jnp.array(value) for name, value in params.items()},
    }


def acted(params, memory, key):
    """The memory with one more event of each walker, in place of the oldest ones."""
    drawing, exploring, moving, fresh = jax.random.split(key, 4)
    cell = memory["walkers"]
    best = NETWORK.function(Variables(params, {}))(cell).argmax(-1)
    random = jax.random.randint(drawing, (WALKERS,), 0, ACTIONS)
    explores = jax.random.uniform(exploring, (WALKERS,)) < EXPLORED
    action = jnp.where(explores, random, best)
    shares = jnp.asarray(gridworld.MOVE)[action, cell]
    after = jax.random.categorical(moving, jnp.log(shares))
    event = {"cell": cell, "action": action, "next": after}
    start = memory["updates"] * WALKERS % KEPT
    written = {
        f"event.{name}": jax.lax.dynamic_update_slice_in_dim(
            memory[f"event.{name}"], value.astype(jnp.int32), start, 0
        )
        for name, value in event.items()
    }
    anywhere = jax.random.choice(fresh, STARTS, (WALKERS,))
    walkers = jnp.where(ended(after), anywhere, after)
    return memory | written | {"walkers": walkers}


def ended(cell):
    return (cell == GOAL) | (cell == HOLE)


def loss(variables, chosen, key):
    """The squared error at some of the events in memory."""
    params, memory = variables
    now = jax.lax.stop_gradient(params)
    first = jnp.isin(memory["walkers"], jnp.array([GOAL, HOLE]))
    memory = memory | {"walkers": jnp.where(first, 0, memory["walkers"])}
    memory = acted(now, memory, key)
    renew = memory["updates"] % RENEWED == 0
    memory |= {
        OLD + name: jnp.where(renew, value, memory[OLD + name])
        for name, value in now.items()
    }
    memory["updates"] += 1
    filled = jnp.minimum(memory["updates"] * WALKERS, KEPT)
    cell, action, after = (
        memory[f"event.{name}"][chosen % filled] for name in ("cell", "action", "next")
    )
    old = {name: memory[OLD + name] for name in params}
    reward = (after == GOAL) * 1.0 - (after == HOLE)
    values = NETWORK.function(Variables(old, {}))(after)
    aim = target(values, reward, 1.0 - ended(after))
    found = NETWORK.function(Variables(params, {}))(cell)
    return squared_error(found, action, aim).mean(), memory


def evaluate(variables, data) -> dict[str, float]:
    """What the greedy policy loses of the best values, at most of all cells, exactly;
    and how far the learned values of cells are off, at most."""
    values = np.asarray(AGENT.function(variables)(jnp.arange(CELLS)))
    exactly = gridworld.solution()
    own = gridworld.of_policy(values.argmax(-1).tolist())
    open_ = [c for c in range(CELLS) if c not in (GOAL, HOLE)]
    return {
        "regret": float(max(best - v for best, v in zip(exactly, own, strict=True))),
        "off": max(abs(float(exactly[c]) - float(values[c].max())) for c in open_),
    }


def show(variables, data) -> str:
    """Where the greedy policy goes from each cell."""
    best = np.asarray(AGENT.function(variables)(jnp.arange(CELLS)).argmax(-1))
    signs = ["^>v<"[action] for action in best]
    signs[GOAL], signs[HOLE] = "*", "o"
    rows = np.reshape(signs, (gridworld.SIDE, gridworld.SIDE))
    return "\n".join(" ".join(row) for row in rows)


STARTS = jnp.array([c for c in range(CELLS) if c not in (GOAL, HOLE)])
AGENT = Agent(NETWORK, remember)

ENTRY = Entry(
    name="dqn",
    title="deep Q-learning, GridWorld",
    network=AGENT,
    loss=loss,
    load=functools.partial(places, total=KEPT),
    evaluate=evaluate,
    show=show,
    settings=Settings(steps=4000, batch=128, lr=2e-3, weight_decay=0.0),
    brief=400,
    goals=(Goal("regret", most=0.0),),
    claims=CLAIMS,
    unit="events",
)
