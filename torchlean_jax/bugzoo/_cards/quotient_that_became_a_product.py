"""A quotient by a constant that the compiler turns into a product."""

import jax
import jax.numpy as jnp

import torchlean_jax as tl
from torchlean_jax.bugzoo._card import Card, Finding


@jax.jit
def faulty(positions):
    return jnp.floor(positions / 41.0)


@tl.faithful_jit
def fixed(positions):
    return jnp.floor(positions / 41.0)


def examine(page_of):
    positions = jnp.array([40.0, 41.0, 42.0, 82.0])
    audit = tl.audit_compilation(page_of)(positions)
    pages = ", ".join(
        f"{x:.0f} on {page:.0f}"
        for x, page in zip(positions, page_of(positions), strict=True)
    )
    return Finding(audit.clean, f"{audit}\npages: {pages}")


CARD = Card(
    name="quotient-that-became-a-product",
    title="A compiler that rewrites",
    family="float",
    story=(
        "x / 41 is compiled as x * (1 / 41), with the inverse rounded: 41 / 41 is then "
        "0.99999994, and its floor 0. The source is right, and so is the jaxpr. What "
        "runs is another program: a page table, a bucket or a quantisation grid is off "
        "by one at its boundaries, under jit. (JAX 0.10 also turns (x + 1e8) - 1e8 "
        "into x; 0.12 no longer does.)"
    ),
    contract="Each operation of the program is the one that runs.",
    check="tl.audit_compilation",
    faulty=faulty,
    fixed=fixed,
    examine=examine,
    reports=("jax-ml/jax#6566",),
    library="jax",
)
