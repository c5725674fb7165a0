"""One random key for two layers."""

import jax

from torchlean_jax.bugzoo._card import Card
from torchlean_jax.bugzoo._checks import distinct_keys


def faulty(key):
    key, first = jax.random.split(key)
    query = jax.random.normal(first, (4, 4))
    value = jax.random.normal(first, (4, 4))
    return query, value


def fixed(key):
    key, first, second = jax.random.split(key, 3)
    query = jax.random.normal(first, (4, 4))
    value = jax.random.normal(second, (4, 4))
    return query, value


def examine(initialise):
    return distinct_keys(initialise, jax.random.key(0))


CARD = Card(
    name="key-reused-for-two-layers",
    title="Two layers that begin as one",
    family="randomness",
    story=(
        "A key is split, and the same half initialises two layers. Both look random, "
        "and they are equal: a symmetry that training cannot always break. In the "
        "differential-privacy example of JAX the same mistake added one noise to "
        "different parts of a gradient, so that it could be subtracted again. (JAX "
        "finds it too, in 0.10 as in 0.12, under jax.debug_key_reuse, off by default.)"
    ),
    contract="Each random key is drawn from, or split, once.",
    check="key reuse",
    faulty=faulty,
    fixed=fixed,
    examine=examine,
    reports=("jax-ml/jax#3646", "jax-ml/jax#192", "jax-ml/jax#2009"),
)
