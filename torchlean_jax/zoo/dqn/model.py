"""The values of actions as a network of the cell, and what they are trained towards.

Source: Mnih et al. 2015 (Nature 518), algorithm 1.
"""

import jax
import jax.numpy as jnp
from flax import nnx

from torchlean_jax.zoo._network import Network
from torchlean_jax.zoo.dqn.gridworld import ACTIONS, CELLS, DISCOUNT

WIDTH = 64


class Q(nnx.Module):
    """[...] cells to [..., ACTIONS] values."""

    def __init__(self, rngs: nnx.Rngs):
        self.sense = nnx.Linear(CELLS, WIDTH, rngs=rngs)
        self.judge = nnx.Linear(WIDTH, ACTIONS, rngs=rngs)

    def __call__(self, cell):
        seen = jax.nn.one_hot(cell, CELLS)
        return self.judge(jax.nn.relu(self.sense(seen)))


def target(values, reward, goes_on):
    """reward + DISCOUNT max over actions of the values of the cell that follows, with
    no gradient; goes_on: 0 where the episode ended."""
    best = jax.lax.stop_gradient(values).max(-1)
    return reward + DISCOUNT * goes_on * best


def squared_error(values, action, aim):
    """How far the values of the actions that were taken are from their targets."""
    taken = jnp.take_along_axis(values, action[..., None], -1)[..., 0]
    return (taken - aim) ** 2


NETWORK = Network(Q)
