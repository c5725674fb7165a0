"""Pixels that are divided by 255 twice."""

import jax.numpy as jnp

import torchlean_jax as tl
from torchlean_jax.bugzoo._card import Card
from torchlean_jax.bugzoo._checks import same_function


def load(pixels):
    return pixels / 255


def faulty(pixels):
    image = load(pixels)
    return (image / 255 - 0.5) / 0.25


def fixed(pixels):
    image = load(pixels)
    return (image - 0.5) / 0.25


def examine(prepare):
    def as_trained(pixels):
        return 4 * pixels / 255 - 2

    pixels = jnp.array([0.0, 128.0, 255.0])
    return same_function(tl.equivalent(prepare, as_trained)(pixels))


CARD = Card(
    name="normalised-twice",
    title="Pixels divided by 255 twice",
    family="boundary",
    story=(
        "The loader scales pixels to [0, 1], and so does the preprocessing that came "
        "with the model. Twice scaled, every picture is black but for a trace. Values "
        "are small and finite, training goes on, with less than it was given."
    ),
    contract="0 is prepared as -2, 255 as 2, and linearly in between.",
    check="tl.equivalent",
    faulty=faulty,
    fixed=fixed,
    examine=examine,
    reports=("magenta/magenta#925", "hao-ai-lab/FastVideo#1055", "pkmital/pycadl#5"),
    requires=("flint",),
)
