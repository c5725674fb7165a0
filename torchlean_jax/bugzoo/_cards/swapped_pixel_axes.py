"""A picture that is read with its axes exchanged."""

import jax.numpy as jnp

import torchlean_jax as tl
from torchlean_jax.bugzoo._card import Card
from torchlean_jax.bugzoo._checks import same_function


def corners(pixel):
    u, v = jnp.floor(pixel).astype(jnp.int32)
    return u, v, pixel[0] - u, pixel[1] - v


def faulty(image, pixel):
    """The bilinear value at (u, v): u counts columns, v rows."""
    u, v, a, b = corners(pixel)
    top = (1 - a) * image[u, v] + a * image[u + 1, v]
    bottom = (1 - a) * image[u, v + 1] + a * image[u + 1, v + 1]
    return (1 - b) * top + b * bottom


def fixed(image, pixel):
    u, v, a, b = corners(pixel)
    top = (1 - a) * image[v, u] + a * image[v, u + 1]
    bottom = (1 - a) * image[v + 1, u] + a * image[v + 1, u + 1]
    return (1 - b) * top + b * bottom


def examine(sample):
    pixel = jnp.array([1.25, 0.5])

    def hats(image):
        rows, columns = jnp.mgrid[0:3, 0:3]
        near = 1 - abs(columns - pixel[0]), 1 - abs(rows - pixel[1])
        return (jnp.maximum(near[0], 0) * jnp.maximum(near[1], 0) * image).sum()

    image = jnp.arange(9.0).reshape(3, 3)
    return same_function(tl.equivalent(lambda x: sample(x, pixel), hats)(image))


CARD = Card(
    name="swapped-pixel-axes",
    title="Columns for rows",
    family="geometry",
    story=(
        "A projection gives (u, v): columns first. An array is indexed by rows first. "
        "Read as image[u, v] a square picture is transposed, and no index leaves it; "
        "in a wide one the clamped index repeats its last row. On pictures augmented "
        "by turns and flips nobody notices."
    ),
    contract="The value at (u, v) is the sum of all pixels, weighted by hat functions.",
    check="tl.equivalent",
    faulty=faulty,
    fixed=fixed,
    examine=examine,
    reports=("facebookresearch/projectaria_tools#178", "GabPrato/batch-transforms#3"),
    requires=("flint",),
)
