"""A network that is right over the reals and wrong as it runs."""

import numpy as np

import torchlean_jax as tl
from torchlean_jax.bugzoo._card import Card, Finding


def faulty(x):
    return (x + 2.0**24) - 2.0**24


def fixed(x):
    return x + (2.0**24 - 2.0**24)


def examine(network):
    box, positive = tl.box(0.125, 0.875), tl.spec.linear([1.0], 0.0625)
    real = tl.verify(network, box, positive)
    run = tl.verify(network, box, positive, semantics="fp32")
    if run.status == "refuted":
        x = np.asarray(run.counterexample)
        y = np.asarray(tl.faithful_jit(network)(x))
        said = f"{real.status} over the reals; at x = {x:g} a float32 run returns {y:g}"
        return Finding(False, said)
    said = f"{real.status} over the reals, {run.status} for every float32 run"
    return Finding(run.status == "proved", said)


CARD = Card(
    name="proof-of-another-arithmetic",
    title="Proved over the reals, false as it runs",
    family="verification",
    story=(
        "The output of the network is its input, which is at least 0.125: a verifier "
        "that computes over the reals proves that it exceeds 0.0625, and rightly so. "
        "What is deployed adds a large offset first. In float32 the input is lost in "
        "it, and each output is 0. The proof speaks of another program."
    ),
    contract="Every float32 run returns more than 0.0625 on [0.125, 0.875].",
    check="tl.verify",
    faulty=faulty,
    fixed=fixed,
    examine=examine,
    outcome="proved",
    sources=(
        "Szasz, Banhelyi, Jelasity: No Soundness in the Real World, 2025",
        "Jia, Rinard: Exploiting Verified Neural Networks via Floating Point "
        "Numerical Error, SAS 2021",
    ),
)
