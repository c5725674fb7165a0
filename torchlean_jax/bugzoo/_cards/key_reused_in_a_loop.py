"""A random key that does not move on in a loop."""

import jax
import jax.numpy as jnp
from jax import lax

from torchlean_jax.bugzoo._card import Card
from torchlean_jax.bugzoo._checks import distinct_keys


def faulty(key):
    def step(x, t):
        noise = jax.random.normal(key, x.shape)
        x = 0.9 * x + 0.1 * noise
        return x, x

    return lax.scan(step, jnp.zeros(2), jnp.arange(4))[1]


def fixed(key):
    def step(x, t):
        noise = jax.random.normal(jax.random.fold_in(key, t), x.shape)
        x = 0.9 * x + 0.1 * noise
        return x, x

    return lax.scan(step, jnp.zeros(2), jnp.arange(4))[1]


def examine(walk):
    return distinct_keys(walk, jax.random.key(0))


CARD = Card(
    name="key-reused-in-a-loop",
    title="A random walk with one step, taken again and again",
    family="randomness",
    story=(
        "The body of a scan closes over the key and draws from it in each round. What "
        "should be independent noise is one vector added over and over, so a diffusion "
        "or a simulation drifts in one direction in place of spreading."
    ),
    contract="Each random key is drawn from, or split, once.",
    check="key reuse",
    faulty=faulty,
    fixed=fixed,
    examine=examine,
    reports=("jax-ml/jax#192", "blackjax-devs/blackjax#53"),
)
