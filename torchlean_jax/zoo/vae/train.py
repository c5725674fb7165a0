"""How the autoencoder is trained and measured."""

import jax
import numpy as np

from torchlean_jax.zoo._entry import Entry, Goal
from torchlean_jax.zoo._images import pictured
from torchlean_jax.zoo._settings import Settings
from torchlean_jax.zoo.vae.claims import CLAIMS
from torchlean_jax.zoo.vae.data import images
from torchlean_jax.zoo.vae.model import LATENT, NETWORK

DRAWS = 32  # of the latent variables of each held-out image


def loss(variables, batch, key):
    """The negative lower bound in nats an image."""
    noise = jax.random.normal(key, (len(batch["image"]), LATENT), batch["image"].dtype)
    terms, state = NETWORK.apply(variables, batch["image"], noise, training=True)
    return (terms[0] + terms[1]).mean(), state


def evaluate(variables, data) -> dict[str, float]:
    """The lower bound and its divergence on held-out images, in nats an image."""
    pixels = data.digits.test_images
    noise = jax.random.normal(jax.random.key(0), (DRAWS, len(pixels), LATENT))
    terms = jax.jit(NETWORK.function(variables))(pixels[None], noise)
    lost, divergence = (float(np.mean(term)) for term in terms)
    return {"negative_elbo": lost + divergence, "divergence": divergence}


def show(variables, data) -> str:
    """Images decoded from latent variables that are drawn from the prior."""
    latent = jax.random.normal(jax.random.key(0), (6, LATENT))
    logits = NETWORK.apply(variables, latent, method="decode")[0]
    return pictured(jax.nn.sigmoid(logits))


ENTRY = Entry(
    name="vae",
    title="variational autoencoder, digits",
    network=NETWORK,
    loss=loss,
    load=images,
    evaluate=evaluate,
    show=show,
    settings=Settings(steps=4000, lr=2e-3),
    brief=200,
    goals=(Goal("negative_elbo", most=25.0),),
    claims=CLAIMS,
)
