"""Policy, value, generalised advantages and the clipped objective.

Sources: Schulman et al. 2017 (arXiv:1707.06347), equations 7 and 9; Schulman et al.
2016 (arXiv:1506.02438), equation 16.
"""

import jax
import jax.numpy as jnp
from flax import nnx

from torchlean_jax.zoo._network import Network
from torchlean_jax.zoo.ppo.cartpole import FORCE

CLIP = 0.2


class Policy(nnx.Module):
    """Logits of pushing left and right, and the value of a state."""

    def __init__(self, rngs: nnx.Rngs):
        self.sense = nnx.Linear(4, 16, rngs=rngs)
        small = nnx.initializers.normal(0.01)
        self.act = nnx.Linear(16, 2, kernel_init=small, rngs=rngs)
        self.judge = nnx.Linear(4, 64, rngs=rngs)
        self.rate = nnx.Linear(64, 1, rngs=rngs)

    def __call__(self, state):
        return self.act(jax.nn.relu(self.sense(state)))

    def value(self, state):
        """How many discounted steps are to come."""
        return self.rate(jnp.tanh(self.judge(state)))[..., 0]

    def push(self, state):
        """The likelier force, in newtons: the policy as it is deployed."""
        return jnp.where(self.margin(state) > 0, FORCE, -FORCE)

    def margin(self, state):
        """How much likelier right is than left: the difference of the logits."""
        logits = self(state)
        return logits[..., 1] - logits[..., 0]


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


NETWORK = Network(Policy)
