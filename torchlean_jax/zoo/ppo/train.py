"""How the policy learns: a rollout of many carts at once, and some epochs on it."""

import functools

import jax
import jax.numpy as jnp
import numpy as np

from torchlean_jax.zoo._agents import Agent
from torchlean_jax.zoo._entry import Entry, Goal
from torchlean_jax.zoo._network import Variables
from torchlean_jax.zoo._settings import Settings
from torchlean_jax.zoo.ppo import cartpole
from torchlean_jax.zoo.ppo.claims import CLAIMS
from torchlean_jax.zoo.ppo.data import places
from torchlean_jax.zoo.ppo.model import NETWORK, advantages, surrogate

CARTS, TIME, EPOCHS = 16, 128, 4
EVENTS = CARTS * TIME  # of a rollout
DISCOUNT, DECAY = 0.99, 0.95
ENTROPY, VALUE = 0.005, 0.5
NUMBERS = ("log_probability", "advantage", "return")  # of an event
EPISODES = 100  # that are measured


def remember(params, key):
    """Carts at rest, and an empty rollout."""
    return {
        "state": cartpole.start(key, CARTS),
        "age": jnp.zeros(CARTS),
        "seen": jnp.zeros((), jnp.int32),  # events learned from, of this rollout
        "event.state": jnp.zeros((EVENTS, 4)),
        "event.action": jnp.zeros(EVENTS, jnp.int32),
    } | {f"event.{name}": jnp.zeros(EVENTS) for name in NUMBERS}


def rollout(params, memory, key):
    """The memory with what the policy does now, from where the carts are."""
    policy = Variables(jax.lax.stop_gradient(params), {})
    value = NETWORK.function(policy, "value")

    def step(carry, key):
        state, age = carry
        drawing, fresh = jax.random.split(key)
        scores = jax.nn.log_softmax(NETWORK.function(policy)(state))
        action = jax.random.categorical(drawing, scores)
        after = cartpole.moved(state, jnp.where(action == 1, 1, -1) * cartpole.FORCE)
        over = cartpole.fallen(after)
        # at the time limit the episode ends for the clock alone: its value goes on
        error = 1 + DISCOUNT * jnp.where(over, 0.0, value(after)) - value(state)
        ended = over | (age + 1 >= cartpole.LIMIT)
        event = {
            "state": state,
            "action": action,
            "log_probability": _of(scores, action),
            "error": error,
            "alive": 1.0 - ended,
        }
        state = jnp.where(ended[:, None], cartpole.start(fresh, CARTS), after)
        return (state, jnp.where(ended, 0.0, age + 1)), event

    start = memory["state"], memory["age"]
    (state, age), events = jax.lax.scan(step, start, jax.random.split(key, TIME))
    found = advantages(events.pop("error"), events.pop("alive"), DISCOUNT, DECAY)
    events |= {"advantage": found, "return": found + value(events["state"])}
    flat = {
        f"event.{k}": v.reshape(EVENTS, *v.shape[2:]).astype(memory[f"event.{k}"].dtype)
        for k, v in events.items()
    }
    return memory | flat | {"state": state, "age": age}


def loss(variables, chosen, key):
    """Clipped objective, error of the value and entropy, at the chosen events."""
    params, memory = variables
    fresh = functools.partial(rollout, params, memory, key)
    memory = jax.lax.cond(memory["seen"] == 0, fresh, lambda: memory)
    state, action, before, advantage, target = (
        memory[f"event.{name}"][chosen] for name in ("state", "action", *NUMBERS)
    )
    advantage = (advantage - advantage.mean()) / (advantage.std() + 1e-8)
    here = Variables(params, {})
    scores = jax.nn.log_softmax(NETWORK.function(here)(state))
    gain = surrogate(_of(scores, action), before, advantage).mean()
    entropy = -(jnp.exp(scores) * scores).sum(-1).mean()
    off = NETWORK.function(here, "value")(state) - target
    seen = (memory["seen"] + len(chosen)) % (EVENTS * EPOCHS)
    value = -gain + VALUE * (off**2).mean() - ENTROPY * entropy
    return value, memory | {"seen": seen}


def evaluate(variables, data) -> dict[str, float]:
    """How long the deployed policy lasts: mean and least of EPISODES, of LIMIT."""

    def step(carry, _):
        state, alive = carry
        push = AGENT.function(variables, "push")(state)
        state = cartpole.moved(state, push)
        alive &= ~cartpole.fallen(state)
        return (state, alive), alive

    first = cartpole.start(jax.random.key(0), EPISODES)
    start = first, jnp.full(EPISODES, True)
    _, alive = jax.jit(lambda: jax.lax.scan(step, start, length=cartpole.LIMIT))()
    # the step that ends an episode counts, as all before it do
    steps = np.minimum(np.asarray(alive).sum(0) + 1, cartpole.LIMIT)
    return {"mean_return": float(steps.mean()), "least_return": float(steps.min())}


def show(variables, data) -> str:
    """Place and angle of one cart, twice a second."""
    state, lines = cartpole.start(jax.random.key(0)), []
    move = jax.jit(lambda x: cartpole.moved(x, AGENT.function(variables, "push")(x)))
    for tick in range(251):
        if tick % 25 == 0:
            place, _, angle, _ = map(float, state)
            lines.append(f"{tick * cartpole.TICK:4.1f} s {place:7.3f} m {angle:7.3f}")
        state = move(state)
    return "\n".join(lines)


def _of(scores, action):
    return jnp.take_along_axis(scores, action[..., None], -1)[..., 0]


AGENT = Agent(NETWORK, remember)

ENTRY = Entry(
    name="ppo",
    title="proximal policy optimisation, CartPole",
    network=AGENT,
    loss=loss,
    load=functools.partial(places, total=EVENTS),
    evaluate=evaluate,
    show=show,
    settings=Settings(
        steps=3200, batch=256, lr=3e-3, schedule="linear", weight_decay=0.0, clip=0.5
    ),
    brief=320,
    goals=(Goal("mean_return", least=475.0),),
    claims=CLAIMS,
    unit="events",
)
