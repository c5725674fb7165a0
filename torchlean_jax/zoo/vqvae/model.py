"""Encoder, codebook and decoder, and the three terms of the loss.

Source: van den Oord, Vinyals and Kavukcuoglu 2017 (arXiv:1711.00937), equations 1 to 3.
"""

import jax
import jax.numpy as jnp
from flax import nnx

from torchlean_jax.zoo._images import PIXELS
from torchlean_jax.zoo._network import Network

PLACES, WIDTH, WORDS, HIDDEN = 8, 4, 32, 128
COMMITMENT = 0.25


class VQVAE(nnx.Module):
    """A digit as PLACES words of a codebook of WORDS vectors of WIDTH numbers."""

    def __init__(self, rngs: nnx.Rngs):
        self.read = nnx.Linear(PIXELS, HIDDEN, rngs=rngs)
        self.code = nnx.Linear(HIDDEN, PLACES * WIDTH, rngs=rngs)
        self.codebook = nnx.Param(jax.random.normal(rngs.params(), (WORDS, WIDTH)))
        self.widen = nnx.Linear(PLACES * WIDTH, HIDDEN, rngs=rngs)
        self.paint = nnx.Linear(HIDDEN, PIXELS, rngs=rngs)

    def encode(self, image):
        """[..., PLACES, WIDTH], not yet words."""
        code = self.code(jax.nn.relu(self.read(2 * image - 1)))
        return code.reshape(*image.shape[:-1], PLACES, WIDTH)

    def decode(self, code):
        """Pixels in [0, 1] of a code [..., PLACES, WIDTH]."""
        flat = code.reshape(*code.shape[:-2], PLACES * WIDTH)
        return jax.nn.sigmoid(self.paint(jax.nn.relu(self.widen(flat))))

    def words(self, image):
        """The numbers of the words that stand for an image: [..., PLACES]."""
        return nearest(self.encode(image), self.codebook[...])

    def spelled(self, words):
        """Pixels of words by their numbers."""
        return self.decode(self._vectors(words))

    def __call__(self, image):
        """(reconstruction, code, its words' vectors), all differentiable as meant."""
        code = self.encode(image)
        chosen = self._vectors(nearest(code, self.codebook[...]))
        return self.decode(straight_through(code, chosen)), code, chosen

    def _vectors(self, words):
        return jnp.take(self.codebook[...], words, axis=0)


def nearest(code, codebook):
    """The number of the word that is nearest, the first of those equally near.

    Differences are squared as they are: |c|^2 - 2 <c, x> would cancel.
    """
    distances = ((code[..., None, :] - codebook) ** 2).sum(-1)
    return distances.argmin(-1)


def straight_through(code, chosen):
    """The value of `chosen` with the gradient of `code`."""
    return code + jax.lax.stop_gradient(chosen - code)


def terms(pixels, image, code, chosen):
    """What a pixel is off, squared; how far the words are from the code, for the words
    to learn; and the same for the code to learn. Means over all axes but the first."""
    axes = tuple(range(1, code.ndim)) or None
    stop = jax.lax.stop_gradient
    return (
        ((pixels - image) ** 2).mean(-1),
        ((stop(code) - chosen) ** 2).mean(axes),
        COMMITMENT * ((code - stop(chosen)) ** 2).mean(axes),
    )


NETWORK = Network(VQVAE)
