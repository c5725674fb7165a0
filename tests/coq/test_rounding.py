"""The domain FP32 allows at least the error that proofs/Rounding.v bounds.

The theorem `any_order_as_computed` bounds every binary32 execution of a sum of
products; were the domain's bound smaller anywhere, the theorem would not speak for it.
"""

import re
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

import torchlean_jax as tl

TEXT = (Path(__file__).resolve().parents[2] / "proofs" / "Rounding.v").read_text()
UNIT, TINY = Fraction(1, 2**24), Fraction(1, 2**126)


def proved(terms: list[Fraction]) -> Fraction:
    """The right-hand side of `any_order_as_computed`."""
    count, size = len(terms), sum(map(abs, terms))
    return ((1 + UNIT) ** count - 1) * size + 4 * (count + 1) * TINY


@pytest.mark.parametrize("scale", [1.0, 2.0**-70])
@pytest.mark.parametrize("count", [1, 7, 300])
def test_the_error_of_a_dense_layer_is_at_least_what_is_proved(count, scale):
    rng = np.random.default_rng(count)
    x = (scale * rng.normal(size=(1, count))).astype(np.float32)
    weight = (scale * rng.normal(size=(count, 1))).astype(np.float32)
    bound = np.asarray(tl.float_error(lambda x: x @ weight)(x).bound).item()
    pairs = zip(x[0], weight[:, 0], strict=True)
    exact = [Fraction(float(a)) * Fraction(float(b)) for a, b in pairs]
    assert Fraction(bound) >= proved(exact)


def test_the_statement_is_the_one_that_is_computed_here():
    """The formula above is the theorem's, whose statement is read from its file."""
    statement = re.search(r"Theorem any_order_as_computed.*?\.\n", TEXT, re.S)
    assert statement is not None
    assert (
        "((1 + u) ^ length l - 1) * size l + 4 * (INR (length l) + 1) * tiny"
        in (statement[0])
    )
    assert "u : R := / 2 * bpow radix2 (-23)" in TEXT
    assert "tiny : R := bpow radix2 (-126)" in TEXT
