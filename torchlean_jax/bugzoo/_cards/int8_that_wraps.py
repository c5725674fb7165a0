"""A quantisation to eight bits that does not saturate."""

import jax.numpy as jnp

import torchlean_jax as tl
from torchlean_jax.bugzoo._card import Card, Finding

SCALE, ZERO = 1 / 64, 16


def faulty(x):
    q = jnp.round(x / SCALE).astype(jnp.int32) + ZERO
    return q.astype(jnp.int8)


def fixed(x):
    q = jnp.round(x / SCALE).astype(jnp.int32) + ZERO
    return jnp.clip(q, -128, 127).astype(jnp.int8)


def examine(quantise):
    def read_back(x):
        return (quantise(x).astype(jnp.float32) - ZERO) * SCALE

    large, more_than = tl.box([1.0], [4.0]), tl.spec.linear([[1.0]], [0.9])
    verdict = tl.verify(read_back, large, more_than, method="ibp", certificate=False)
    if verdict.status == "refuted":
        x = verdict.counterexample
        return Finding(False, f"x = {x} is read back as {read_back(x)}")
    said = f"{verdict.status}: every x from 1 to 4 is read back as more than 0.9"
    return Finding(verdict.status == "proved", said)


CARD = Card(
    name="int8-that-wraps",
    title="Eight bits that wrap",
    family="integers",
    story=(
        "The zero point is added in 32 bits, and the cast to 8 keeps the low ones. "
        "What is a little above the calibrated range becomes the most negative number "
        "there is. Calibration data never leave the range; the first outlier in "
        "service turns the strongest activation of a layer into its opposite."
    ),
    contract="Every x from 1 to 4 is read back as more than 0.9.",
    check="tl.verify",
    faulty=faulty,
    fixed=fixed,
    examine=examine,
    outcome="proved",
    reports=(
        "uxlfoundation/oneDNN#5879",
        "huggingface/sentence-transformers#3847",
        "pytorch/pytorch#76390",
    ),
    sources=("Jacob et al. 2018, section 2 (arXiv:1712.05877)",),
)
