"""What is claimed of the autoencoder."""

import jax
import jax.numpy as jnp
import numpy as np

import torchlean_jax as tl
from torchlean_jax.zoo._entry import Trained
from torchlean_jax.zoo.ae.model import CODE, NETWORK


def only_the_code_gets_through(trained: Trained):
    """The reconstruction is a function of the code alone: decoding the code gives the
    same, for all weights and images."""

    def in_two_steps(variables, image):
        code = NETWORK.apply(variables, image, method="encode")[0]
        assert code.shape == (CODE,)
        return NETWORK.apply(variables, code, method="decode")[0]

    @tl.claims.equals(in_two_steps)
    @tl.claims.example(trained.shapes, "f32[64]")
    def reconstructed(variables, image):
        return NETWORK.apply(variables, image)[0]

    return reconstructed


def gradient_is_the_derivative(trained: Trained):
    """What `jax.grad` makes of an image's error in its pixels is its derivative."""
    image = np.random.default_rng(0).uniform(0, 1, 64).astype(np.float32)

    @tl.claims.gradient()
    @tl.claims.example(jnp.asarray(image))
    def error(image):
        return ((NETWORK.apply(trained.variables, image)[0] - image) ** 2).sum()

    return error


def pixels_are_in_range(trained: Trained):
    """Every pixel that is decoded is within [0, 1], for all codes in [-10, 10]."""

    @tl.claims.bounded_by(0.0, 1.0, box=(-10.0, 10.0))
    @tl.claims.example(jax.ShapeDtypeStruct((CODE,), jnp.float32))
    def pixels(code):
        return NETWORK.apply(trained.variables, code, method="decode")[0]

    return pixels


def rows_are_independent(trained: Trained):
    """The reconstruction of an image depends on no other image of its batch, whatever
    the weights are."""

    @tl.claims.batch_independent(argnums=1)
    @tl.claims.example(trained.shapes, jnp.zeros((3, 64)))
    def reconstructed(variables, images):
        return NETWORK.apply(variables, images)[0]

    return reconstructed


CLAIMS = (
    only_the_code_gets_through,
    gradient_is_the_derivative,
    pixels_are_in_range,
    rows_are_independent,
)
