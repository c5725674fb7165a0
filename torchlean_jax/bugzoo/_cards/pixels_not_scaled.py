"""Pixels from 0 to 255 for a network of pixels from 0 to 1."""

import jax.numpy as jnp
import numpy as np

import torchlean_jax as tl
from torchlean_jax.bugzoo._card import Card, Finding

MEAN, DEVIATION = jnp.array([0.485, 0.456, 0.406]), jnp.array([0.229, 0.224, 0.225])


def faulty(pixels):
    return (pixels.astype(jnp.float32) - MEAN) / DEVIATION


def fixed(pixels):
    return (pixels.astype(jnp.float32) / 255 - MEAN) / DEVIATION


def examine(prepare):
    found = tl.bounds(prepare)(tl.box(jnp.zeros(3), 255.0))
    lo, hi = np.asarray(found.lo), np.asarray(found.hi)
    said = f"all pictures become values from {lo.min():.4g} to {hi.max():.4g}"
    if lo.min() > -2.2 and hi.max() < 2.7:
        return Finding(True, said)
    white = np.asarray(prepare(jnp.full(3, 255.0)))
    return Finding(False, f"{said}; a white pixel becomes {white}")


CARD = Card(
    name="pixels-not-scaled",
    title="Pixels from 0 to 255 where 0 to 1 was trained",
    family="boundary",
    story=(
        "Mean and deviation of a data set belong to pixels between 0 and 1; a loader "
        "that decodes to bytes is put before them. All inputs become a thousand "
        "deviations bright. Batch statistics can hide it in training; afterwards each "
        "picture gets the same class."
    ),
    contract="Each picture is prepared to values between -2.2 and 2.7.",
    check="tl.bounds",
    faulty=faulty,
    fixed=fixed,
    examine=examine,
    outcome="proved",
    reports=("verlab/accelerated_features#11",),
)
