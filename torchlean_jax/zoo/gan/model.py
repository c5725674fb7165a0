"""A generator of digits, a discriminator, and what each of them minimises.

Sources: Goodfellow et al. 2014 (arXiv:1406.2661), equation 1, and section 3 for the
generator's loss, which does not saturate; Mirza and Osindero 2014 (arXiv:1411.1784),
equation 2, for the label that both are told.
"""

import functools
from dataclasses import dataclass

import jax
import jax.numpy as jnp
from flax import nnx

from torchlean_jax.zoo._images import CLASSES, PIXELS
from torchlean_jax.zoo._network import Network, Variables


@dataclass(frozen=True)
class Config:
    """Sizes. latent: random numbers of an image."""

    latent: int = 16
    hidden: int = 256


class Perceptron(nnx.Module):
    """Two hidden layers, told a label beside its input [..., before]."""

    def __init__(self, before: int, hidden: int, after: int, rngs: nnx.Rngs):
        self.read = nnx.Linear(before, hidden, rngs=rngs)
        self.told = nnx.Embed(CLASSES, hidden, rngs=rngs)
        self.mixed = nnx.Linear(hidden, hidden, rngs=rngs)
        self.last = nnx.Linear(hidden, after, rngs=rngs)

    def __call__(self, x, label):
        x = jax.nn.leaky_relu(self.read(x) + self.told(label), 0.2)
        return self.last(jax.nn.leaky_relu(self.mixed(x), 0.2))


class GAN(nnx.Module):
    def __init__(self, rngs: nnx.Rngs, config: Config):
        self.generator = Perceptron(config.latent, config.hidden, PIXELS, rngs)
        self.discriminator = Perceptron(PIXELS, config.hidden, 1, rngs)

    def draw(self, latent, label):
        """Images of 64 pixels in [0, 1]; latent: standard normal, [..., latent]."""
        return jax.nn.sigmoid(self.generator(latent, label))

    def judge(self, image, label):
        """The logit of the probability that an image of this label is a true one."""
        return self.discriminator(2 * image - 1, label)[..., 0]


def discriminator_loss(true, drawn):
    """-log D - log(1 - D'), in the mean, where D is the probability of a true image and
    D' that of a drawn one; both are given as logits.

    >>> float(discriminator_loss(jnp.zeros(2), jnp.zeros(2)) / jnp.log(2.0))
    2.0
    """
    return _surprise(true).mean() + _surprise(-drawn).mean()


def generator_loss(drawn):
    """-log D', in the mean, of logits."""
    return _surprise(drawn).mean()


def _surprise(logit):
    """-log of the probability with that logit: of the first of two classes whose
    logits are this one and 0."""
    pair = jnp.stack([logit, jnp.zeros_like(logit)])
    return -jax.nn.log_softmax(pair, axis=0)[0]


def losses(network: Network, variables: Variables, image, label, latent):
    """(discriminator's, generator's), so that the gradient of each moves its own part
    alone: that of their sum is a step of both at once."""
    params, state = variables
    still = {
        name: jax.lax.stop_gradient(x) if name.startswith("discriminator.") else x
        for name, x in params.items()
    }

    def judged(params, image):
        return network.apply(Variables(params, state), image, label, method="judge")[0]

    drawn = network.apply(variables, latent, label, method="draw")[0]
    true, found = judged(params, image), judged(params, jax.lax.stop_gradient(drawn))
    return discriminator_loss(true, found), generator_loss(judged(still, drawn))


def network(config: Config) -> Network:
    return Network(functools.partial(GAN, config=config))
