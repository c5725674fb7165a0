"""A matrix product whose rows have other bits in other batches."""

import jax
import jax.numpy as jnp

import torchlean_jax as tl
from torchlean_jax.bugzoo._card import Card, Finding


def faulty(x, w):
    return x @ w


def fixed(x, w):
    def add_product(total, pair):
        column, weights = pair
        return total + column[:, None] * weights, None

    start = jnp.zeros((x.shape[0], w.shape[1]))
    return jax.lax.scan(add_product, start, (x.T, w))[0]


def examine(project):
    """Of the head of a value network."""
    w = jax.random.normal(jax.random.key(0), (4096, 1))
    x = jax.random.normal(jax.random.key(1), (32, 4096))
    report = tl.batch_invariant(project, sizes=(1, 2, 8, 32))(x, w)
    farthest: dict[int, float] = {}
    for batch, distance in report.runs:
        farthest[batch.size] = max(farthest.get(batch.size, 0.0), distance or 0.0)
    table = [("rows in the batch", "farthest from the row alone")]
    table += [(str(size), f"{distance:.2g}") for size, distance in farthest.items()]
    return Finding(report.bitwise, str(report), tuple(table))


CARD = Card(
    name="rows-change-with-the-batch",
    title="Rows that change with the batch",
    family="batch",
    story=(
        "A row of a product depends on no other row, so its batch should not matter. "
        "But libraries choose the order of a sum by the shape of the whole product. "
        "The last bits of a score then change with the load of the server: two sampled "
        "tokens differ, a cached answer cannot be reproduced, and log-probabilities of "
        "training and serving disagree. A fixed order of the sum is the cure."
    ),
    contract="A row has the same bits in every batch.",
    check="tl.batch_invariant",
    faulty=faulty,
    fixed=fixed,
    examine=examine,
    reports=(
        "jax-ml/jax#34080",
        "jax-ml/jax#26795",
        "vllm-project/vllm#27433",
        "vllm-project/vllm#51187",
    ),
    library="jax",
)
