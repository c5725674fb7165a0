"""How the policy learns (`zoo._policy_gradient`), and how long it lasts."""

import functools

import jax
import jax.numpy as jnp
import numpy as np

from torchlean_jax.zoo._entry import Entry, Goal
from torchlean_jax.zoo._policy_gradient import Learning
from torchlean_jax.zoo._settings import Settings
from torchlean_jax.zoo.ppo import cartpole
from torchlean_jax.zoo.ppo.claims import CLAIMS
from torchlean_jax.zoo.ppo.data import places
from torchlean_jax.zoo.ppo.model import NETWORK, Pushes


class World:
    """CartPole with pushes by number; each step before the fall is worth 1."""

    LIMIT = cartpole.LIMIT
    start = staticmethod(cartpole.start)
    over = staticmethod(cartpole.fallen)

    @staticmethod
    def moved(state, action):
        return cartpole.moved(state, jnp.where(action == 1, 1, -1) * cartpole.FORCE)

    @staticmethod
    def reward(state, action):
        return jnp.ones(state.shape[:-1])


LEARNING = Learning(
    NETWORK,
    World,
    Pushes(),
    copies=16,
    time=128,
    epochs=4,
    discount=0.99,
    decay=0.95,
    entropy=0.005,
)
AGENT = LEARNING.agent()
EPISODES = 100  # that are measured


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


ENTRY = Entry(
    name="ppo",
    title="proximal policy optimisation, CartPole",
    network=AGENT,
    loss=LEARNING.loss,
    load=functools.partial(places, total=LEARNING.events),
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
