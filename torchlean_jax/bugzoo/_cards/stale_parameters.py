"""A compiled function that closes over parameters which then change."""

import jax
import jax.numpy as jnp

import torchlean_jax as tl
from torchlean_jax.bugzoo._card import Card
from torchlean_jax.bugzoo._checks import same_function


def loss(weight, x, y):
    return 0.5 * (weight * x - y) ** 2


def faulty(weight, x, y):
    state = {"weight": weight}

    @jax.jit
    def slope(x, y):
        return jax.grad(loss)(state["weight"], x, y)

    for _ in range(2):
        state["weight"] -= 0.25 * slope(x, y)
    return state["weight"]


def fixed(weight, x, y):
    state = {"weight": weight}

    @jax.jit
    def slope(weight, x, y):
        return jax.grad(loss)(weight, x, y)

    for _ in range(2):
        state["weight"] -= 0.25 * slope(state["weight"], x, y)
    return state["weight"]


def examine(train):
    def by_hand(weight, x, y):
        once = weight - (weight * x - y) * x / 4
        return once - (once * x - y) * x / 4

    return same_function(
        tl.equivalent(train, by_hand)(*map(jnp.float32, (1.0, 2.0, 3.0)))
    )


CARD = Card(
    name="stale-parameters",
    title="A compiled step that remembers its first parameters",
    family="boundary",
    story=(
        "A compiled function reads the parameters from outside. What it read when it "
        "was traced is part of the program, as a constant: later calls find the "
        "compiled program and never look again. Each step repeats the first gradient; "
        "the loss falls for a while, then runs away."
    ),
    contract="The second step takes the gradient at what the first step returned.",
    check="tl.equivalent",
    faulty=faulty,
    fixed=fixed,
    examine=examine,
    sources=("JAX documentation, The Sharp Bits: pure functions",),
    requires=("flint",),
)
