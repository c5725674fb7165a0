"""A variational autoencoder that samples with its variance."""

import jax.numpy as jnp

import torchlean_jax as tl
from torchlean_jax.bugzoo._card import Card
from torchlean_jax.bugzoo._checks import same_function


def faulty(mean, log_variance, noise):
    return mean + jnp.exp(log_variance) * noise


def fixed(mean, log_variance, noise):
    return mean + jnp.exp(0.5 * log_variance) * noise


def examine(sample):
    def spread(mean, log_variance, noise):
        return (sample(mean, log_variance, noise) - mean) ** 2

    def variance(mean, log_variance, noise):
        return jnp.exp(log_variance) * noise**2

    arguments = jnp.linspace(-1.0, 1.5, 6).reshape(3, 2)
    return same_function(tl.equivalent(spread, variance)(*arguments))


CARD = Card(
    name="variance-for-deviation",
    title="Samples as wide as their variance",
    family="generative",
    story=(
        "The encoder returns the logarithm of a variance, and noise is multiplied by "
        "its exponential, without the square root. Where the variance is 1 both are "
        "the same, and the prior pulls it there. The loss is computed as if samples "
        "were right, so that it is a bound of nothing; the model trains all the same."
    ),
    contract="The squared distance to the mean is the variance times noise squared.",
    check="tl.equivalent",
    faulty=faulty,
    fixed=fixed,
    examine=examine,
    reports=("rachtsingh/ibp_vae#3", "keras-team/keras#9972"),
    requires=("flint",),
)
