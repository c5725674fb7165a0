"""Attention that drops weights when it is evaluated, too."""

import jax
import jax.numpy as jnp

import torchlean_jax as tl
from torchlean_jax.bugzoo._card import Card, Finding

RATE = 0.25


def drop(weights, key, deterministic):
    if deterministic:
        return weights
    kept = jax.random.bernoulli(key, 1 - RATE, weights.shape)
    return jnp.where(kept, weights / (1 - RATE), 0.0)


def faulty(x, key, deterministic=False):
    weights = jax.nn.softmax(x @ x.T)
    mixed = drop(weights, key, deterministic=False) @ x
    return x + drop(mixed, key, deterministic)


def fixed(x, key, deterministic=False):
    weights = jax.nn.softmax(x @ x.T)
    mixed = drop(weights, key, deterministic) @ x
    return x + drop(mixed, key, deterministic)


def examine(block):
    def evaluate(x, key):
        return block(x, key, deterministic=True)

    x = jnp.linspace(-1.0, 1.0, 6).reshape(3, 2)
    report = tl.depends(evaluate, argnums=(0, 1))(x, jax.random.PRNGKey(0))
    try:
        report.assert_independent_of(1)
    except tl.DependenceError as error:
        return Finding(False, str(error))
    return Finding(True, "in evaluation no output can depend on the key")


CARD = Card(
    name="dropout-in-eval",
    title="Dropout that evaluation cannot switch off",
    family="randomness",
    story=(
        "One of two dropouts is called as a function and is not handed the flag for "
        "evaluation: in PyTorch, scaled_dot_product_attention drops whenever its "
        "dropout_p is positive, whatever mode the model is in. Scores of an evaluation "
        "are worse than they should be, and change with each run."
    ),
    contract="In evaluation no output depends on the random key.",
    check="tl.depends",
    faulty=faulty,
    fixed=fixed,
    examine=examine,
    reports=(
        "karpathy/nanoGPT#240",
        "pytorch/pytorch#124464",
        "huggingface/transformers#33844",
    ),
)
