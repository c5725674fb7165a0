"""CartPole: a pole on a cart that is pushed to the left or to the right.

Sources: Barto, Sutton and Anderson 1983, with the sign of the cart's acceleration as
in Florian 2005 without friction; step, limits, rewards as in Gymnasium's CartPole-v1.
A state is (place, speed, angle, turning speed), in metres, radians and seconds.
"""

import math

import jax
import jax.numpy as jnp

CONSTANTS = (9.8, 1.0, 0.1, 0.5)  # gravity, masses of cart and pole, half its length
FORCE, TICK = 10.0, 0.02
WIDEST, STEEPEST = 2.4, 12 * math.pi / 180
LIMIT = 500  # steps of an episode; each is worth 1


def accelerations(state, force, gravity, cart, pole, length):
    """Of place and angle."""
    turning = state[..., 3]
    cos, sin = jnp.cos(state[..., 2]), jnp.sin(state[..., 2])
    mass, lever = cart + pole, pole * length
    push = (force + lever * turning**2 * sin) / mass
    turn = 3 * (gravity * sin - cos * push) / (length * (4 - 3 * pole * cos**2 / mass))
    return push - lever * turn * cos / mass, turn


def moved(state, force):
    """The state one tick later, by Euler's rule."""
    place, turn = accelerations(state, force, *CONSTANTS)
    rates = jnp.stack([state[..., 1], place, state[..., 3], turn], -1)
    return state + TICK * rates


def fallen(state):
    """Whether the episode is over: the cart is off its track, or the pole is tilted."""
    return (abs(state[..., 0]) > WIDEST) | (abs(state[..., 2]) > STEEPEST)


def start(key, *shape: int):
    """States within 0.05 of rest, uniformly."""
    return jax.random.uniform(key, (*shape, 4), minval=-0.05, maxval=0.05)
