"""What is claimed of the autoencoder: its terms are what they are said to be."""

import jax
import jax.numpy as jnp
import numpy as np

import torchlean_jax as tl
from torchlean_jax.zoo._entry import Trained
from torchlean_jax.zoo.vae.model import (
    LATENT,
    NETWORK,
    divergence,
    drawn,
    reconstruction,
)

SHAPE = jax.ShapeDtypeStruct((LATENT,), jnp.float32)


def divergence_is_its_integral(trained: Trained):
    """The formula of the divergence is the integral of q log(q / p), for all means and
    variances.

    log(q / p) is quadratic in z, so that the two-point Gauss-Hermite rule, z at one
    standard deviation to each side, integrates it exactly.
    """

    def integral(mean, log_variance):
        total = 0.0
        for t in (-1.0, 1.0):
            z = drawn(mean, log_variance, t)
            log_q = -(t**2) / 2 - log_variance / 2
            log_p = -(z**2) / 2
            total += (log_q - log_p).sum() / 2
        return total

    @tl.claims.equals(integral)
    @tl.claims.example(SHAPE, SHAPE)
    def formula(mean, log_variance):
        return divergence(mean, log_variance)

    return formula


def bound_has_the_right_gradient(trained: Trained):
    """What `jax.grad` makes of the lower bound is its derivative in mean and variance,
    through the sampled latent variable, for the weights as they were trained."""
    random = np.random.default_rng(0)
    image = jnp.asarray(random.uniform(0, 1, 64), jnp.float32)
    noise, mean, log_variance = jnp.asarray(
        random.standard_normal((3, LATENT)), jnp.float32
    )

    @tl.claims.gradient()
    @tl.claims.example(mean, log_variance)
    def lower_bound(mean, log_variance):
        latent = drawn(mean, log_variance, noise)
        logits = NETWORK.apply(trained.variables, latent, method="decode")[0]
        return -reconstruction(logits, image) - divergence(mean, log_variance)

    return lower_bound


def pixels_are_probabilities(trained: Trained):
    """Every pixel that is decoded is within [0, 1], for all latent variables in
    [-3, 3]."""

    @tl.claims.bounded_by(0.0, 1.0, box=(-3.0, 3.0))
    @tl.claims.example(SHAPE)
    def pixels(latent):
        logits = NETWORK.apply(trained.variables, latent, method="decode")[0]
        return jax.nn.sigmoid(logits)

    return pixels


def rows_are_independent(trained: Trained):
    """The bound of an image depends on no other image of its batch, whatever the
    weights are."""

    @tl.claims.batch_independent(argnums=1)
    @tl.claims.example(trained.shapes, jnp.zeros((3, 64)))
    def lower_bound(variables, images):
        terms = NETWORK.apply(variables, images, jnp.zeros((3, LATENT)))[0]
        return -terms[0] - terms[1]

    return lower_bound


CLAIMS = (
    divergence_is_its_integral,
    bound_has_the_right_gradient,
    pixels_are_probabilities,
    rows_are_independent,
)
