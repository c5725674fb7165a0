"""A verifier that takes a bound which is no number as a proof."""

import jax.numpy as jnp
import numpy as np

import torchlean_jax as tl
from torchlean_jax.bugzoo._card import Card, Finding

WEIGHT = jnp.array([1.0, 0.0])
SCALE = jnp.array([1.0, 100.0])


def network(x):
    return WEIGHT @ jnp.exp(SCALE * x) - 0.5


def lower_bound(lo, hi):
    below, above = jnp.exp(SCALE * lo), jnp.exp(SCALE * hi)
    terms = jnp.maximum(WEIGHT, 0) * below + jnp.minimum(WEIGHT, 0) * above
    return terms.sum() - 0.5


def faulty(lo, hi):
    still_open = lower_bound(lo, hi) <= 0
    return not still_open


def fixed(lo, hi):
    proved = lower_bound(lo, hi) > 0
    return bool(proved)


def examine(is_positive):
    """The network is positive on the first box and not on the second."""
    positive, claims = tl.spec.linear([1.0]), []
    for lo, hi in ((-0.5, -0.25), (-1.0, 1.0)):
        lo, hi = jnp.float32(lo), jnp.float32(hi)
        verdict = tl.verify(network, tl.box(lo, hi), positive, method="ibp")
        claims.append(is_positive(lo, hi))
        if claims[-1] and verdict.status == "refuted":
            x = np.asarray(verdict.counterexample)
            return Finding(
                False,
                f"claimed positive on [{lo:g}, {hi:g}], as the lower bound is "
                f"{lower_bound(lo, hi):g}; at x = {x:g} the network is {network(x):g}",
            )
    said = "claimed positive on the first box, where it is, and not on the second"
    return Finding(claims == [True, False], said)


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
