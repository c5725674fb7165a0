"""How the autoencoder is trained, and measured against linear codes of its length."""

import jax
import numpy as np

from torchlean_jax.zoo._entry import Entry, Goal
from torchlean_jax.zoo._images import pictured
from torchlean_jax.zoo._settings import Settings
from torchlean_jax.zoo.ae.claims import CLAIMS
from torchlean_jax.zoo.ae.data import images
from torchlean_jax.zoo.ae.model import CODE, NETWORK


def loss(variables, batch, key):
    """The mean square of what a pixel is off."""
    pixels, state = NETWORK.apply(variables, batch["image"], training=True)
    return ((pixels - batch["image"]) ** 2).mean(), state


def evaluate(variables, data) -> dict[str, float]:
    """The error on held-out images, and its ratio to that of principal components.

    No linear code of so many numbers has a smaller error on the training images than
    their principal components (Eckart and Young 1936).
    """
    train, held_out = data.digits.train_images, data.digits.test_images
    mean = train.mean(0)
    _, _, axes = np.linalg.svd(train - mean, full_matrices=False)
    flat = (held_out - mean) @ axes[:CODE].T @ axes[:CODE] + mean
    found = np.asarray(jax.jit(NETWORK.function(variables))(held_out))
    error = float(((found - held_out) ** 2).mean())
    linear = float(((flat - held_out) ** 2).mean())
    return {"squared_error": error, "of_linear": error / linear}


def show(variables, data) -> str:
    """Held-out images above what becomes of them."""
    held_out = data.digits.test_images[:6]
    again = NETWORK.apply(variables, held_out)[0]
    return f"{pictured(held_out)}\n\n{pictured(again)}"


ENTRY = Entry(
    name="ae",
    title="autoencoder, digits",
    network=NETWORK,
    loss=loss,
    load=images,
    evaluate=evaluate,
    show=show,
    settings=Settings(steps=4000, lr=2e-3),
    brief=200,
    goals=(Goal("of_linear", most=1.0),),
    claims=CLAIMS,
)
