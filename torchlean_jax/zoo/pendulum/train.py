"""How the controller learns, and how well it swings the pendulum up."""

import functools

import jax
import numpy as np

from torchlean_jax.zoo._entry import Entry, Goal
from torchlean_jax.zoo._policy_gradient import Learning
from torchlean_jax.zoo._settings import Settings
from torchlean_jax.zoo.pendulum import swing
from torchlean_jax.zoo.pendulum.claims import CLAIMS
from torchlean_jax.zoo.pendulum.data import places
from torchlean_jax.zoo.pendulum.model import NETWORK, Torques

LEARNING = Learning(
    NETWORK,
    swing,
    Torques(),
    copies=32,
    time=100,
    epochs=10,
    discount=0.95,
    decay=0.95,
    entropy=0.0,
    worth=0.1,
)
AGENT = LEARNING.agent()
EPISODES = 100  # that are measured
SETTINGS = Settings(
    steps=20000, batch=320, lr=2e-3, schedule="linear", weight_decay=0.0, clip=0.5
)


def evaluate(variables, data) -> dict[str, float]:
    """The return of the deployed policy: mean and least of EPISODES."""

    def step(state, _):
        torque = AGENT.function(variables, "torque")(state)
        return swing.moved(state, torque), swing.reward(state, torque)

    first = swing.start(jax.random.key(0), EPISODES)
    _, rewards = jax.jit(lambda: jax.lax.scan(step, first, length=swing.LIMIT))()
    returns = np.asarray(rewards, np.float64).sum(0)
    return {"mean_return": float(returns.mean()), "least_return": float(returns.min())}


def show(variables, data) -> str:
    """Angle and torque from hanging at rest, twice a second."""
    state, lines = jax.numpy.array([np.pi, 0.0]), []
    torque = jax.jit(AGENT.function(variables, "torque"))
    for tick in range(101):
        now = torque(state)
        if tick % 10 == 0:
            lines.append(
                f"{tick * swing.TICK:4.1f} s {float(state[0]):7.3f} rad "
                f"{float(now):7.3f} N m"
            )
        state = swing.moved(state, now)
    return "\n".join(lines)


ENTRY = Entry(
    name="pendulum",
    title="proximal policy optimisation, Pendulum",
    network=AGENT,
    loss=LEARNING.loss,
    load=functools.partial(places, total=LEARNING.events),
    evaluate=evaluate,
    show=show,
    settings=SETTINGS,
    brief=SETTINGS.steps,  # a claim is of what was learned
    goals=(Goal("mean_return", least=-200.0),),
    claims=CLAIMS,
    unit="events",
)
