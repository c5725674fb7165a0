"""A specification that no input satisfies."""

import jax
import jax.numpy as jnp

import torchlean_jax as tl
from torchlean_jax.bugzoo._card import Card, Finding

MEAN, DEVIATION = 50.0, 25.0


def network(x):
    return jax.nn.relu(x) @ jnp.array([1.0, -1.0])


def faulty(metres):
    """Normalised inputs [distance, speed] in which an obstacle is so far away."""
    return tl.halfspaces([1.0, 0.0], metres)


def fixed(metres):
    return tl.halfspaces([1.0, 0.0], (metres - MEAN) / DEVIATION)


def examine(is_far):
    inputs = tl.box([-2.0, -2.0], [2.0, 2.0])
    wanted = tl.spec.linear([1.0], -2.0)
    verdict = tl.verify(network, inputs, wanted, where=is_far(60.0))
    said = str(verdict).partition(" Assumed")[0]
    return Finding(verdict.status == "proved" and not verdict.vacuous, said)


CARD = Card(
    name="vacuous-proof",
    title="A proof about nothing",
    family="verification",
    story=(
        "The inputs of a network are normalised, the requirement speaks of metres, and "
        "no input has a distance of 60 deviations. What holds of all inputs in an "
        "empty set is anything: the property is proved, and so would be its opposite. "
        "The report is green until somebody asks for an example."
    ),
    contract="The proof speaks of at least one input.",
    check="tl.verify",
    faulty=faulty,
    fixed=fixed,
    examine=examine,
    outcome="proved",
    sources=(
        "Beer, Ben-David, Eisner, Rodeh: Efficient Detection of Vacuity in Temporal "
        "Model Checking, Formal Methods in System Design 18, 2001",
    ),
)
