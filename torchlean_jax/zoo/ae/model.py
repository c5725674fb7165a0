"""A digit as eight numbers, and the digit again."""

import jax
from flax import nnx

from torchlean_jax.zoo._images import PIXELS
from torchlean_jax.zoo._network import Network

CODE, HIDDEN = 8, 128


class Autoencoder(nnx.Module):
    def __init__(self, rngs: nnx.Rngs):
        self.read = nnx.Linear(PIXELS, HIDDEN, rngs=rngs)
        self.code = nnx.Linear(HIDDEN, CODE, rngs=rngs)
        self.widen = nnx.Linear(CODE, HIDDEN, rngs=rngs)
        self.paint = nnx.Linear(HIDDEN, PIXELS, rngs=rngs)

    def encode(self, image):
        return self.code(jax.nn.relu(self.read(2 * image - 1)))

    def decode(self, code):
        """Pixels in [0, 1]."""
        return jax.nn.sigmoid(self.paint(jax.nn.relu(self.widen(code))))

    def __call__(self, image):
        return self.decode(self.encode(image))


NETWORK = Network(Autoencoder)
