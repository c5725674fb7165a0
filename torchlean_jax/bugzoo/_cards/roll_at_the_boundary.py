"""A Laplacian by jnp.roll on a rod that is no ring."""

import jax.numpy as jnp

import torchlean_jax as tl
from torchlean_jax.bugzoo._card import Card, Finding


def faulty(heat):
    """One step of heat conduction in a rod whose ends lie in ice."""
    left, right = jnp.roll(heat, 1), jnp.roll(heat, -1)
    return heat + 0.25 * (left - 2 * heat + right)


def fixed(heat):
    padded = jnp.pad(heat, 1)
    left, right = padded[:-2], padded[2:]
    return heat + 0.25 * (left - 2 * heat + right)


def examine(step):
    report = tl.depends(step)(jnp.arange(6.0))
    pairs = [(int(i), int(j)) for i, j in zip(*report.matrix.nonzero(), strict=True)]
    far = [(i, j) for i, j in pairs if abs(i - j) > 1]
    if not far:
        return Finding(True, "each point depends on itself and its neighbours alone")
    (i, j), more = far[0], len(far) - 1
    return Finding(
        False, f"point {i} sees point {j}: {report.witness(i, j)} ({more} more)"
    )


CARD = Card(
    name="roll-at-the-boundary",
    title="A rod that is bent to a ring",
    family="science",
    story=(
        "Neighbours are found by jnp.roll, in one line and fast. It brings the last "
        "point beside the first: heat that reaches one end of the rod comes in at the "
        "other. In the middle all is right, until the error has travelled there, and "
        "the total of heat is conserved, which looks like a good sign."
    ),
    contract="In one step a point depends on itself and its neighbours alone.",
    check="tl.depends",
    faulty=faulty,
    fixed=fixed,
    examine=examine,
    reports=("xgcm/xgcm#509", "UKFELs/Puffin#64"),
)
