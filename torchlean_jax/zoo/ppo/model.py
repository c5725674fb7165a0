"""The policy of CartPole, its value, and what its output means as an action."""

import jax
import jax.numpy as jnp
from flax import nnx

from torchlean_jax.zoo._network import Network
from torchlean_jax.zoo.ppo.cartpole import FORCE


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


class Pushes:
    """0 for left, 1 for right, by their logits (`_policy_gradient.Actions`)."""

    def draw(self, key, output):
        return jax.random.categorical(key, jax.nn.log_softmax(output))

    def log_probability(self, output, action):
        scores = jax.nn.log_softmax(output)
        return jnp.take_along_axis(scores, action[..., None], -1)[..., 0]

    def entropy(self, output):
        scores = jax.nn.log_softmax(output)
        return -(jnp.exp(scores) * scores).sum(-1)

    def none(self, count: int):
        return jnp.zeros(count, jnp.int32)


NETWORK = Network(Policy)
