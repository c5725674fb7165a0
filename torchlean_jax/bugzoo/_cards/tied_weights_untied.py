"""Tied weights that an export writes twice."""

import jax
import jax.numpy as jnp

import torchlean_jax as tl
from torchlean_jax.bugzoo._card import Card
from torchlean_jax.bugzoo._checks import same_function

RATE = 0.5


def loss(embedding, head, token, following):
    return -jax.nn.log_softmax(head @ jnp.tanh(embedding[token]))[following]


def faulty(table):
    exported = {"embedding": table, "head": table}
    slopes = jax.grad(lambda p: loss(p["embedding"], p["head"], 0, 1))(exported)
    tuned = jax.tree.map(lambda p, g: p - RATE * g, exported, slopes)
    return tuned["head"]


def fixed(table):
    exported = {"embedding": table}
    slopes = jax.grad(lambda p: loss(p["embedding"], p["embedding"], 0, 1))(exported)
    tuned = jax.tree.map(lambda p, g: p - RATE * g, exported, slopes)
    return tuned["embedding"]


def examine(fine_tune):
    def by_hand(table):
        hidden = jnp.tanh(table[0])
        p = jnp.exp(table @ hidden) / jnp.exp(table @ hidden).sum()
        error = p - jnp.array([0.0, 1.0, 0.0])
        as_head = error[:, None] * hidden
        as_embedding = (error @ table) * (1 - hidden**2)
        return table - RATE * (as_head + jnp.eye(3)[0][:, None] * as_embedding)

    table = jnp.array([[0.5, -1.0], [1.0, 0.25], [-0.5, 0.75]])
    return same_function(tl.equivalent(fine_tune, by_hand)(table))


CARD = Card(
    name="tied-weights-untied",
    title="Two copies of one matrix",
    family="boundary",
    story=(
        "The embedding of a language model is its output matrix as well. An export to "
        "a flat dictionary writes it under two names. Loaded again both are equal, and "
        "all outputs with them. From the first step of fine-tuning, or the first "
        "quantisation of one, they are two matrices, and each learns half."
    ),
    contract="A step of fine-tuning moves the one matrix by both of its gradients.",
    check="tl.equivalent",
    faulty=faulty,
    fixed=fixed,
    examine=examine,
    reports=("huggingface/transformers#37905", "Samsung/TICO#624"),
    requires=("flint",),
)
