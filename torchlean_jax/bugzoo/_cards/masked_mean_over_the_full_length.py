"""A pooled embedding that shrinks with the padding."""

import jax.numpy as jnp

import torchlean_jax as tl
from torchlean_jax.bugzoo._card import Card
from torchlean_jax.bugzoo._checks import same_function


def faulty(tokens, mask):
    kept = tokens * mask[:, None]
    return jnp.mean(kept, axis=0)


def fixed(tokens, mask):
    kept = tokens * mask[:, None]
    return jnp.sum(kept, axis=0) / jnp.sum(mask)


def examine(pool):
    mask = jnp.array([1.0, 1.0, 1.0, 0.0, 0.0])
    tokens = jnp.linspace(-1.0, 1.8, 15).reshape(5, 3)

    def with_2_pads(tokens):
        return pool(tokens, mask)

    def alone(tokens):
        return pool(tokens[:3], mask[:3])

    return same_function(tl.equivalent(with_2_pads, alone)(tokens))


CARD = Card(
    name="masked-mean-over-the-full-length",
    title="A masked mean divided by the full length",
    family="batch",
    story=(
        "The pads are masked out, and then the sum is divided by the padded length. "
        "The embedding of a sentence shrinks as longer sentences join its batch. A "
        "cosine does not notice; dot products, distances, and the layer above do, and "
        "a nearest neighbour changes with the batch in which the query was encoded."
    ),
    contract="The mean of a sentence is the same with padding and without.",
    check="tl.equivalent",
    faulty=faulty,
    fixed=fixed,
    examine=examine,
    reports=(
        "tracel-ai/burn#5568",
        "d2l-ai/d2l-en#2076",
        "SeanLee97/AnglE#101",
        "HKUDS/LightRAG#3675",
    ),
    requires=("flint",),
)
