"""The logarithm of a softmax that has rounded to zero."""

from typing import Any

import jax
import jax.numpy as jnp

import torchlean_jax as tl
from torchlean_jax.bugzoo._card import Card, Finding


def faulty(logits):
    return jnp.log(jax.nn.softmax(logits))


def fixed(logits):
    return jax.nn.log_softmax(logits)


def examine(log_probabilities):
    domain: Any = tl.Real(digits=8)
    logits = jnp.array([0.0, 60.0, 120.0])
    bound = tl.float_error(log_probabilities)(logits).bound
    run = log_probabilities(logits)
    real = tl.interpret(log_probabilities, domain=domain)(logits)
    table = [("logit", "over the reals", "float32 run", "any run is within")]
    rows = zip(logits, real.decimal(6), run, bound, strict=True)
    table += [(f"{a:.0f}", str(b), f"{c:.6g}", f"{d:.2g}") for a, b, c, d in rows]
    worst = int(jnp.argmax(bound))
    return Finding(
        bool(bound.max() < 1e-3),
        f"at logits {logits} element {worst} is {real.decimal(8)[worst]} over the "
        f"reals and {run[worst]} in float32; bound on the error {bound[worst]:.2g}",
        tuple(table),
    )


CARD = Card(
    name="log-of-softmax",
    title="The log of a softmax",
    family="loss",
    story=(
        "Over the reals both programs are the same function, and tl.equivalent says "
        "so. In float32 a probability below 1e-38 is 0, and its logarithm -inf: one "
        "sure mistake of the model, and the loss is infinite and its gradient NaN. It "
        "happens late, when logits have grown."
    ),
    contract="At logits 0, 60, 120 every float32 run is within 0.001 of the real one.",
    check="tl.float_error",
    faulty=faulty,
    fixed=fixed,
    examine=examine,
    outcome="proved",
    reports=("pytorch/pytorch#725", "tracel-ai/burn#315", "Theano/Theano#2781"),
    requires=("flint",),
)
