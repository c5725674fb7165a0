"""How the quantised autoencoder is trained and measured."""

import jax
import numpy as np

from torchlean_jax.zoo._entry import Entry, Goal
from torchlean_jax.zoo._images import pictured
from torchlean_jax.zoo._settings import Settings
from torchlean_jax.zoo.vqvae.claims import CLAIMS
from torchlean_jax.zoo.vqvae.data import images
from torchlean_jax.zoo.vqvae.model import NETWORK, WORDS, terms


def loss(variables, batch, key):
    """Error of the pixels, of the codebook, and commitment."""
    found, state = NETWORK.apply(variables, batch["image"], training=True)
    pixels, code, chosen = found
    return sum(
        term.mean() for term in terms(pixels, batch["image"], code, chosen)
    ), state


def evaluate(variables, data) -> dict[str, float]:
    """The error on held-out images, how many words they use, and the perplexity of the
    words: as many as that, used equally often, would carry as much."""
    held_out = data.digits.test_images
    pixels = np.asarray(jax.jit(NETWORK.function(variables))(held_out)[0])
    words = np.asarray(NETWORK.apply(variables, held_out, method="words")[0])
    share = np.bincount(words.reshape(-1), minlength=WORDS) / words.size
    entropy = -sum(p * np.log(p) for p in share if p)
    return {
        "squared_error": float(((pixels - held_out) ** 2).mean()),
        "words_used": float((share > 0).sum()),
        "perplexity": float(np.exp(entropy)),
    }


def show(variables, data) -> str:
    """Held-out images above what becomes of them, and their words."""
    held_out = data.digits.test_images[:6]
    again = NETWORK.apply(variables, held_out)[0][0]
    words = np.asarray(NETWORK.apply(variables, held_out, method="words")[0])
    lines = "\n".join(" ".join(map(str, row)) for row in words)
    return f"{pictured(held_out)}\n\n{pictured(again)}\n\n{lines}"


ENTRY = Entry(
    name="vqvae",
    title="autoencoder with a codebook (VQ-VAE), digits",
    network=NETWORK,
    loss=loss,
    load=images,
    evaluate=evaluate,
    show=show,
    settings=Settings(steps=6000, lr=2e-3, weight_decay=0.0),
    brief=200,
    goals=(Goal("words_used", least=24),),
    claims=CLAIMS,
)
