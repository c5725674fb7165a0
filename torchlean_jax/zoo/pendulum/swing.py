"""Pendulum: a rod on a hinge, swung up by a torque that is too weak to lift it at once.

Equations, step, limits and rewards as in Gymnasium's Pendulum-v1. A state is (angle
from upright, turning speed), in radians and seconds; a torque is in newton metres.
"""

import jax
import jax.numpy as jnp

GRAVITY, MASS, LENGTH = 10.0, 1.0, 1.0
TORQUE, FASTEST, TICK = 2.0, 8.0, 0.05
LIMIT = 200  # steps of an episode: nothing else ends it


def acceleration(angle, torque, gravity=GRAVITY, mass=MASS, length=LENGTH):
    """Of the angle, of a uniform rod that hangs by its end."""
    return 3 * gravity / (2 * length) * jnp.sin(angle) + 3 / (mass * length**2) * torque


def moved(state, torque):
    """The state one tick later: the speed first, then the angle with the new speed.

    torque: of the policy; beyond the limit it is the limit.
    """
    angle, speed = state[..., 0], state[..., 1]
    torque = jnp.clip(torque, -TORQUE, TORQUE)
    speed = jnp.clip(speed + TICK * acceleration(angle, torque), -FASTEST, FASTEST)
    return jnp.stack([angle + TICK * speed, speed], -1)


def reward(state, torque):
    """0 at rest upright with no torque, else less; at least -16.3."""
    angle = jnp.mod(state[..., 0] + jnp.pi, 2 * jnp.pi) - jnp.pi
    torque = jnp.clip(torque, -TORQUE, TORQUE)
    return -(angle**2 + 0.1 * state[..., 1] ** 2 + 0.001 * torque**2)


def over(state):
    """Never: an episode ends by the clock."""
    return jnp.zeros(state.shape[:-1], bool)


def start(key, *shape: int):
    """Any angle, and a speed of at most 1, uniformly."""
    high = jnp.array([jnp.pi, 1.0])
    return jax.random.uniform(key, (*shape, 2), minval=-high, maxval=high)
