"""The backward pass of a linear recurrence with decays of the wrong step."""

import jax
import jax.numpy as jnp
from jax import lax

import torchlean_jax as tl
from torchlean_jax.bugzoo._card import Card
from torchlean_jax.bugzoo._checks import same_derivative


def scan(decay, x, reverse=False):
    def step(state, now):
        state = now[0] * state + now[1]
        return state, state

    return lax.scan(step, jnp.zeros(()), (decay, x), reverse=reverse)[1]


def faulty(decay, x):
    @jax.custom_vjp
    def recurrence(decay, x):
        return scan(decay, x)

    def backward(saved, cotangent):
        decay, states = saved
        grads = scan(decay, cotangent, reverse=True)
        return grads * jnp.append(0.0, states[:-1]), grads

    recurrence.defvjp(lambda a, x: (scan(a, x), (a, scan(a, x))), backward)
    return recurrence(decay, x)


def fixed(decay, x):
    @jax.custom_vjp
    def recurrence(decay, x):
        return scan(decay, x)

    def backward(saved, cotangent):
        decay, states = saved
        grads = scan(jnp.append(decay[1:], 0.0), cotangent, reverse=True)
        return grads * jnp.append(0.0, states[:-1]), grads

    recurrence.defvjp(lambda a, x: (scan(a, x), (a, scan(a, x))), backward)
    return recurrence(decay, x)


def examine(recurrence):
    decay, x = jnp.linspace(0.5, 1.5, 4), jnp.linspace(-1.0, 1.0, 4)
    return same_derivative(tl.check_vjp(recurrence)(decay, x))


CARD = Card(
    name="scan-backward-shift",
    title="A scan that is differentiated one step off",
    family="state space",
    story=(
        "The gradient of a recurrence is a recurrence that runs backward, with the "
        "decay of the following step: from h[t+1] to h[t] leads decay[t+1]. With "
        "decay[t] the values are right and so is each shape. Where the decays change "
        "slowly the gradient is nearly right, and the model trains, only worse."
    ),
    contract="A custom_vjp returns the derivative of its function.",
    check="tl.check_vjp",
    faulty=faulty,
    fixed=fixed,
    examine=examine,
    reports=("state-spaces/mamba#537",),
    requires=("flint",),
)
