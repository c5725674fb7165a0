"""A chunked scan whose padding moves the state."""

import jax
import jax.numpy as jnp
from jax import lax

import torchlean_jax as tl
from torchlean_jax.bugzoo._card import Card
from torchlean_jax.bugzoo._checks import same_function

CHUNK = 4


def last_state(delta, x):
    def step(state, now):
        return jnp.exp(-now[0]) * state + now[0] * now[1], None

    return lax.scan(step, jnp.zeros(()), (delta, x))[0]


def faulty(raw, x, bias):
    short = -len(x) % CHUNK
    raw, x = jnp.pad(raw, (0, short)), jnp.pad(x, (0, short))
    delta = jax.nn.softplus(raw + bias)
    return last_state(delta, x)


def fixed(raw, x, bias):
    short = -len(x) % CHUNK
    delta = jax.nn.softplus(raw + bias)
    delta, x = jnp.pad(delta, (0, short)), jnp.pad(x, (0, short))
    return last_state(delta, x)


def examine(state):
    def one_by_one(raw, x, bias):
        h = jnp.float32(0.0)
        for t in range(3):
            delta = jnp.log(1 + jnp.exp(raw[t] + bias))
            h = jnp.exp(-delta) * h + delta * x[t]
        return h

    raw, x = jnp.linspace(-1.0, 1.0, 3), jnp.linspace(0.5, 1.5, 3)
    return same_function(tl.equivalent(state, one_by_one)(raw, x, jnp.float32(0.25)))


CARD = Card(
    name="scan-padding-not-identity",
    title="Padding that lets the state decay",
    family="state space",
    story=(
        "A sequence is padded with zeros to whole chunks. A step of length 0 keeps the "
        "state, but the steps are made from the padded numbers by softplus with a "
        "bias, and softplus(0 + bias) is not 0. Outputs at the given positions are "
        "right, and the state that is handed on to decoding has decayed. In Mamba's "
        "kernel it was the backward pass that relied on such zeros."
    ),
    contract="The state at the end is that of the given positions alone.",
    check="tl.equivalent",
    faulty=faulty,
    fixed=fixed,
    examine=examine,
    reports=("state-spaces/mamba#368",),
    requires=("flint",),
)
