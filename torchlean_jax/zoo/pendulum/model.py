"""A controller of one torque, its value, and the normal distribution it explores by.

Source: Schulman et al. 2017 (arXiv:1707.06347), section 6.1.
"""

import math

import jax
import jax.numpy as jnp
from flax import nnx

from torchlean_jax.zoo._network import Network
from torchlean_jax.zoo.pendulum.swing import FASTEST, TORQUE

UNITS = 16


class Controller(nnx.Module):
    """The mean and the logarithm of the spread of the torque, in units of its limit."""

    def __init__(self, rngs: nnx.Rngs):
        self.sense = nnx.Linear(3, UNITS, rngs=rngs)
        small = nnx.initializers.normal(0.01)
        self.act = nnx.Linear(UNITS, 1, kernel_init=small, rngs=rngs)
        self.spread = nnx.Param(jnp.full((), -0.5))
        self.judge = nnx.Linear(3, 64, rngs=rngs)
        self.weigh = nnx.Linear(64, 64, rngs=rngs)
        self.rate = nnx.Linear(64, 1, rngs=rngs)

    def __call__(self, state):
        """[..., 2]: mean and log spread, of states [..., 2]."""
        mean = self.act(jnp.tanh(self.sense(seen(state))))
        spread = jnp.broadcast_to(self.spread[...], mean.shape)
        return jnp.concatenate([mean, spread], -1)

    def value(self, state):
        """What is to come, discounted, in the units of learning."""
        hidden = jnp.tanh(self.weigh(jnp.tanh(self.judge(seen(state)))))
        return self.rate(hidden)[..., 0]

    def torque(self, state):
        """The mean, within its limit: the policy as it is deployed."""
        return jnp.clip(TORQUE * self(state)[..., 0], -TORQUE, TORQUE)


def seen(state):
    """Where the tip is, and how fast it turns: the same a whole turn later."""
    angle, speed = state[..., 0], state[..., 1]
    return jnp.stack([jnp.cos(angle), jnp.sin(angle), speed / FASTEST], -1)


class Torques:
    """Torques of a normal distribution with this mean and log spread (`Actions`)."""

    def draw(self, key, output):
        noise = jax.random.normal(key, output.shape[:-1])
        return TORQUE * (output[..., 0] + jnp.exp(output[..., 1]) * noise)

    def log_probability(self, output, action):
        """Of the torque in units of its limit."""
        off = (action / TORQUE - output[..., 0]) * jnp.exp(-output[..., 1])
        return -(off**2) / 2 - output[..., 1] - math.log(2 * math.pi) / 2

    def entropy(self, output):
        return output[..., 1] + math.log(2 * math.pi * math.e) / 2

    def none(self, count: int):
        return jnp.zeros(count)


NETWORK = Network(Controller)
