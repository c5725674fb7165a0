"""Encoder, decoder and the two terms of the evidence lower bound.

Source: Kingma and Welling 2014 (arXiv:1312.6114), equation 10 and appendix B.
"""

import jax
import jax.numpy as jnp
import optax
from flax import nnx

from torchlean_jax.zoo._images import PIXELS
from torchlean_jax.zoo._network import Network

LATENT, HIDDEN = 8, 128


class VAE(nnx.Module):
    def __init__(self, rngs: nnx.Rngs):
        self.read = nnx.Linear(PIXELS, HIDDEN, rngs=rngs)
        self.mean = nnx.Linear(HIDDEN, LATENT, rngs=rngs)
        self.log_variance = nnx.Linear(HIDDEN, LATENT, rngs=rngs)
        self.widen = nnx.Linear(LATENT, HIDDEN, rngs=rngs)
        self.paint = nnx.Linear(HIDDEN, PIXELS, rngs=rngs)

    def encode(self, image):
        """Mean and log-variance of the latent variables of an image, or of many."""
        hidden = jax.nn.relu(self.read(2 * image - 1))
        return self.mean(hidden), self.log_variance(hidden)

    def decode(self, latent):
        """The logit of each pixel's probability to be white."""
        return self.paint(jax.nn.relu(self.widen(latent)))

    def __call__(self, image, noise):
        """Reconstruction loss and divergence of each image, in nats; their sum is the
        negative of the lower bound. noise: standard normal, [..., LATENT]."""
        mean, log_variance = self.encode(image)
        logits = self.decode(drawn(mean, log_variance, noise))
        return reconstruction(logits, image), divergence(mean, log_variance)


def drawn(mean, log_variance, noise):
    """A latent variable as a differentiable function of its distribution."""
    return mean + jnp.exp(log_variance / 2) * noise


def divergence(mean, log_variance):
    """KL(N(mean, variance) || N(0, 1)), summed over the last axis.

    >>> float(divergence(jnp.zeros(3), jnp.zeros(3)))
    0.0
    """
    each = jnp.exp(log_variance) + mean**2 - 1 - log_variance
    return each.sum(-1) / 2


def reconstruction(logits, image):
    """The cross entropy of the pixels, as probabilities of white."""
    losses = optax.sigmoid_binary_cross_entropy(logits, image)
    return losses.sum(-1)


NETWORK = Network(VAE)
