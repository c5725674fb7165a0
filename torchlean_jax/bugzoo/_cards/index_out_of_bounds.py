"""A lookup of a token that the table does not have."""

import jax.numpy as jnp

import torchlean_jax as tl
from torchlean_jax.bugzoo._card import Card, Finding


def faulty(table, tokens):
    return table[tokens]


def fixed(table, tokens):
    return table.at[tokens].get(mode="fill", fill_value=jnp.nan)


def examine(embed):
    table = jnp.arange(10.0).reshape(5, 2)
    tokens = jnp.array([1, 4, 10])
    report = tl.depends(embed, in_axis=0, out_axis=0)(table, tokens)
    rows = [f"{t}: {row}" for t, row in zip(tokens, embed(table, tokens), strict=True)]
    shown = f"a table of 5 rows gives {', '.join(rows)}"
    read = [row for row in range(5) if report.matrix[2, row]]
    if read:
        return Finding(False, f"{shown}; token 10 reads row {read[0]}")
    return Finding(True, f"{shown}; token 10 reads no row")


CARD = Card(
    name="index-out-of-bounds",
    title="An index out of bounds",
    family="integers",
    story=(
        "An index past the end is moved to the last row, since no error can come out "
        "of compiled code; arange(5)[10] is 4. A tokenizer with a few words more than "
        "the table, or a label counted from 1, then reads the last embedding, and "
        "trains it. (A write past the end is dropped instead.) In NumPy the same line "
        "raises."
    ),
    contract="A token that is not in the table reads no row of it.",
    check="tl.depends",
    faulty=faulty,
    fixed=fixed,
    examine=examine,
    outcome="proved",
    reports=("jax-ml/jax#3774", "jax-ml/jax#278", "jax-ml/jax#4383"),
    library="jax",
)
