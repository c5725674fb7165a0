"""A query that may see nothing gets the mean of what is masked."""

import jax
import jax.numpy as jnp

import torchlean_jax as tl
from torchlean_jax.bugzoo._card import Card, Finding
from torchlean_jax.bugzoo._checks import without_dependence


def faulty(q, k, v, lengths):
    return jax.nn.dot_product_attention(q, k, v, key_value_seq_lengths=lengths)


def fixed(q, k, v, lengths):
    out = jax.nn.dot_product_attention(q, k, v, key_value_seq_lengths=lengths)
    return jnp.where(lengths[:, None, None, None] > 0, out, 0.0)


def examine(attend):
    q = k = jnp.zeros((2, 2, 1, 1))  # batch, tokens, heads, width
    v = jnp.array([1.0, 5.0, 1.0, 5.0]).reshape(2, 2, 1, 1)
    lengths = jnp.array([1, 0])

    def empty_sequence(v):
        return attend(q, k, v, lengths)[1]

    report = tl.depends(empty_sequence)(v)
    found = without_dependence(
        lambda: report.assert_independent_of(0),
        "the result of the empty sequence is the same for all values",
    )
    rows = [("length", "values", "result of the first query")]
    for length, values, out in zip(lengths, v, attend(q, k, v, lengths), strict=True):
        rows.append(
            (str(length), f"{values[0].item()}, {values[1].item()}", f"{out[0].item()}")
        )
    return Finding(found.passed, found.witness, tuple(rows))


CARD = Card(
    name="fully-masked-row",
    title="A query that may see nothing gets the mean of what is masked",
    family="attention",
    story=(
        "Libraries mask with a large finite number in place of minus infinity, to keep "
        "NaN out of the softmax. If all scores of a query are masked they are all "
        "equal again, and the query gets the plain mean of the values it was not to "
        "see: of padding, or of another sequence in the same buffer. With minus "
        "infinity the same row is NaN, which at least shows."
    ),
    contract="What is masked does not influence the result.",
    check="tl.depends",
    faulty=faulty,
    fixed=fixed,
    examine=examine,
    outcome="proved",
    library="jax",
    reports=(
        "pytorch/pytorch#41508",
        "pytorch/pytorch#103963",
        "pytorch/pytorch#160064",
        "huggingface/transformers#38690",
    ),
)
