"""A verifier that takes a bound which is no number as a proof."""

import jax.numpy as jnp
import numpy as np

import torchlean_jax as tl
from torchlean_jax.bugzoo._card import Card, Finding

WEIGHT = jnp.array([1.0, 0.0])
SCALE = jnp.array([1.0, 100.0])


def network(x):
    return WEIGHT @ jnp.exp(SCALE * x) - 4


def lower_bound(lo, hi):
    below, above = jnp.exp(SCALE * lo), jnp.exp(SCALE * hi)
    terms = jnp.maximum(WEIGHT, 0) * below + jnp.minimum(WEIGHT, 0) * above
    return terms.sum() - 4


def faulty(lo, hi):
    still_open = lower_bound(lo, hi) <= 0
    return not still_open


def fixed(lo, hi):
    proved = lower_bound(lo, hi) > 0
    return bool(proved)


def examine(is_positive):
    lo, hi = jnp.float32(0.0), jnp.float32(1.0)
    if not is_positive(lo, hi):
        return Finding(True, "no proof is claimed: the bound is no number")
    verdict = tl.verify(network, tl.box(lo, hi), tl.spec.linear([1.0]))
    if verdict.status != "refuted":
        return Finding(verdict.status == "proved", str(verdict))
    x = np.asarray(verdict.counterexample)
    y = np.asarray(network(x))
    bound = np.asarray(lower_bound(lo, hi))
    return Finding(
        False,
        f"claimed positive on [0, 1], by a lower bound of {bound}; "
        f"at x = {x:g} the network is {y:g}",
    )


CARD = Card(
    name="nan-counts-as-verified",
    title="No bound at all, and verified",
    family="verification",
    story=(
        "A verifier keeps the parts of the input whose bound is not positive; when "
        "none is left, the property is proved. A weight of 0 meets an infinite bound, "
        "0 times infinity is no number, no number is <= 0, and the part is dropped. "
        "In a released verifier an option that swallowed an assertion had this "
        "effect: each instance came out as verified."
    ),
    contract="A network is called positive on a box only if it is.",
    check="tl.verify",
    faulty=faulty,
    fixed=fixed,
    examine=examine,
    outcome="proved",
    reports=("Verified-Intelligence/alpha-beta-CROWN#83",),
)
