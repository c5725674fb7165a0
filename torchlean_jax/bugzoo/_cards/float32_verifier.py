"""A verifier whose own arithmetic rounds."""

import jax
import jax.numpy as jnp
import numpy as np

import torchlean_jax as tl
from torchlean_jax.bugzoo._card import Card, Finding

BIAS = jnp.array([2.0**25, 0.75, 2.0**25])
WEIGHT = jnp.array([1.0, -1.0, -1.0])


def network(x):
    """-1/4 for each x >= 0, over the reals."""
    return WEIGHT @ jax.nn.relu(x + BIAS) + 0.5 + x


def faulty(lo, hi):
    below, above = jax.nn.relu(lo + BIAS), jax.nn.relu(hi + BIAS)
    first, second, third = jnp.where(WEIGHT > 0, WEIGHT * below, WEIGHT * above)
    return first + second + third + 0.5 + lo


def fixed(lo, hi):
    return tl.bounds(network, method="ibp")(tl.box(lo, hi)).lo


def examine(lower_bound):
    lo, hi = jnp.float32(0.0), jnp.float32(2.0**-10)
    claimed = float(lower_bound(lo, hi))
    above = tl.spec.linear([1.0], claimed - 2.0**-10)
    verdict = tl.verify(network, tl.box(lo, hi), above)
    if verdict.status != "refuted":
        said = f"at least {claimed:g} on [0, 2^-10]: {verdict.status}"
        return Finding(verdict.status == "proved", said)
    x = np.asarray(verdict.counterexample)
    real = tl.interpret(network, domain=tl.Real(digits=20))(x).decimal(6)
    return Finding(
        False,
        f"claimed at least {claimed:g} on [0, 2^-10]; over the reals the network is "
        f"{real} at x = {x:g}",
    )


CARD = Card(
    name="float32-verifier",
    title="A certificate that a rounding signed",
    family="verification",
    story=(
        "A verifier computes interval bounds in float32, rounded to nearest. Three "
        "numbers near 2^25 cancel, each sum drops what does not fit, and a network "
        "that is negative everywhere is proved positive. Released verifiers do this "
        "on three neurons; whoever hands in a network can choose such weights."
    ),
    contract="What is claimed as a lower bound is one, over the real numbers.",
    check="tl.verify",
    faulty=faulty,
    fixed=fixed,
    examine=examine,
    outcome="proved",
    sources=(
        "Jia, Rinard: Exploiting Verified Neural Networks via Floating Point "
        "Numerical Error, SAS 2021",
    ),
    requires=("flint",),
)
