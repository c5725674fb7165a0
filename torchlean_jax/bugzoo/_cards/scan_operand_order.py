"""A parallel scan whose combination has its operands exchanged."""

import jax.numpy as jnp
from jax import lax

import torchlean_jax as tl
from torchlean_jax.bugzoo._card import Card
from torchlean_jax.bugzoo._checks import same_function


def faulty(decay, x):
    def combine(left, right):
        return left[0] * right[0], left[0] * right[1] + left[1]

    return lax.associative_scan(combine, (decay, x))[1]


def fixed(decay, x):
    def combine(left, right):
        return left[0] * right[0], right[0] * left[1] + right[1]

    return lax.associative_scan(combine, (decay, x))[1]


def examine(recurrence):
    def one_by_one(decay, x):
        state, states = jnp.float32(0.0), []
        for t in range(5):
            state = decay[t] * state + x[t]
            states.append(state)
        return jnp.stack(states)

    decay, x = jnp.linspace(0.5, 1.5, 5), jnp.array([1.0, 2.0, -1.0, 0.5, 3.0])
    return same_function(tl.equivalent(recurrence, one_by_one)(decay, x))


CARD = Card(
    name="scan-operand-order",
    title="A selective scan that composes its steps backward",
    family="state space",
    story=(
        "A linear recurrence runs in parallel as a scan over pairs, whose combination "
        "does not commute. With the pairs exchanged it is still associative, so the "
        "scan is a consistent one: of the recurrence in the other direction of time, "
        "ended at each position. With all decays equal to 1 both are the plain sum."
    ),
    contract="The scan is h[t] = decay[t] * h[t-1] + x[t], taken one by one.",
    check="tl.equivalent",
    faulty=faulty,
    fixed=fixed,
    examine=examine,
    reports=("state-spaces/mamba#716", "triton-lang/triton#2359"),
    requires=("flint",),
)
