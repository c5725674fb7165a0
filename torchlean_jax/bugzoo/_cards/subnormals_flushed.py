"""The logarithm of a number that the processor takes for zero."""

from typing import Any

import jax.numpy as jnp

import torchlean_jax as tl
from torchlean_jax.bugzoo._card import Card, Finding


def faulty(weights):
    return jnp.log(weights)


def fixed(weights):
    return jnp.log(jnp.maximum(weights, jnp.finfo(weights.dtype).smallest_normal))


def examine(log_weights):
    domain: Any = tl.IEEE32
    small = 1e-40
    bound = float(tl.float_error(log_weights)(tl.box([small], [1.0])).bound[0])
    lifted = tl.IEEE32.lift(jnp.float32([small]))
    ieee = tl.interpret(log_weights, domain=domain)(lifted).to_float()[0]
    table = [("array of", "IEEE 754", "this machine")]
    for size in (1, 3, 4, 7):
        run = log_weights(jnp.full(size, small, jnp.float32))[0]
        table.append((str(size), f"{ieee:.6g}", f"{run:.6g}"))
    runs = ", ".join(f"{run} in an array of {size}" for size, _, run in table[1:])
    return Finding(
        bound < 2.0,
        f"of 1e-40, IEEE 754 says {ieee:.6g}, this machine {runs}; for weights from "
        f"there to 1 any run is within {bound:.2g} of the real result",
        tuple(table),
    )


CARD = Card(
    name="subnormals-flushed",
    title="Subnormals that are flushed",
    family="float",
    story=(
        "1e-40 is a float32, greater than 0, and its logarithm is -92. Compiled by XLA "
        "for a CPU, operations take it for 0: its logarithm is -inf (on JAX 0.10 it is "
        "-104 in arrays of some lengths), and a guard x > 0 does not hold. NumPy and "
        "many accelerators keep such numbers, so a particle filter or a likelihood "
        "fails on one machine and not on another."
    ),
    contract="From 1e-40 to 1 every float32 run is within 2 of the real result.",
    check="tl.float_error",
    faulty=faulty,
    fixed=fixed,
    examine=examine,
    outcome="proved",
    reports=("jax-ml/jax#16200", "jax-ml/jax#37762"),
    library="jax",
)
