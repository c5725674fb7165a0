"""Masked softmax: its contract, and ways to break it, each caught by a clause."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import torchlean_jax as tl
from tests.pallas_kernels import base
from tests.pallas_kernels.faults import plants
from torchlean_jax.contracts import Contract
from torchlean_jax.pallas_kernels import softmax
from torchlean_jax.pallas_kernels._terms import Edge
from torchlean_jax.pallas_kernels.softmax import _kernel
from torchlean_jax.pallas_kernels.softmax._contract import TERMS

FORWARD, BACKWARD = TERMS.programs


@pytest.mark.parametrize("program", TERMS.programs, ids=lambda p: p.name)
@pytest.mark.parametrize("shape", ["ragged", "one"])
def test_unrolled_or_interpreted(program, shape, interpreted):
    args = program.arguments(jax.random.key(0), TERMS.shapes[shape], jnp.float32)
    base.assert_runs_like_interpret_mode(program, args, interpreted)


def test_against_exponentials_in_float64():
    x = np.array([[0.5, -2.0, 3.0, 1.0], [9.0, 8.0, 7.0, 6.0]])
    mask = np.array([[1, 0, 1, 1], [0, 1, 1, 0]], bool)
    weights = np.where(mask, np.exp(x), 0.0)
    expected = weights / weights.sum(axis=1, keepdims=True)
    y = softmax(jnp.asarray(x, jnp.float32), jnp.asarray(mask))
    np.testing.assert_allclose(y, expected, rtol=2e-6)


def broken(monkeypatch, changed, *edges):
    """The forward kernel with its `_Allowed` replaced, and perhaps some edges."""
    monkeypatch.setattr(_kernel, "_Allowed", changed)

    # a new function: JAX keeps what it traced of the old one
    def kernel(x, mask):
        return _kernel.softmax(x, mask)

    terms = base.with_kernel(TERMS, FORWARD, kernel)
    return dataclasses.replace(terms, edges=edges)


class _NothingTakenOff(_kernel._Allowed):
    """The same function, and exp overflows."""

    def __init__(self, tiles, x_ref, mask_ref):
        super().__init__(tiles, x_ref, mask_ref)
        self.highest = jnp.zeros_like(self.highest)


class _PaddingCounts(_kernel._Allowed):
    """exp(0 - highest) for what lies beyond the row."""

    def weights(self, step):
        x, allowed = self.load(step)
        columns, inside = self.tiles.at(step)
        return jnp.where(allowed | ~inside, jnp.exp(x - self.highest), 0.0)


class _MaskTurnedAround(_kernel._Allowed):
    def load(self, step):
        x, allowed = super().load(step)
        _, inside = self.tiles.at(step)
        return x, inside & ~allowed


class _NoRowIsEmpty(_kernel._Allowed):
    """Rows without allowed elements: 0 / 0."""

    def __init__(self, tiles, x_ref, mask_ref):
        super().__init__(tiles, x_ref, mask_ref)
        self.some = self.some | True


class _Narrow(_kernel._Allowed):
    def weights(self, step):
        return super().weights(step).astype(jnp.bfloat16).astype(jnp.float32)


NOTHING = next(e for e in TERMS.edges if e.name == "nothing is allowed")
LARGE = Edge(
    "large",
    lambda op: op(jnp.array([[200.0, 200.0]])),
    expected=lambda: jnp.full((1, 2), 0.5),
)


@plants("softmax")
@pytest.mark.parametrize(
    ("changed", "clause"),
    [
        (_PaddingCounts, "meaning"),
        (_MaskTurnedAround, "meaning"),
        (_NoRowIsEmpty, "meaning"),
        (_Narrow, "rounding"),
    ],
)
def test_a_wrong_kernel(changed, clause, monkeypatch):
    terms = broken(monkeypatch, changed)
    assert clause in base.failing_clauses(terms, clauses=[clause], **base.ONE)


@plants("softmax", clause="edges")
@pytest.mark.parametrize(
    ("changed", "edge"), [(_NothingTakenOff, LARGE), (_NoRowIsEmpty, NOTHING)]
)
def test_a_wrong_edge(changed, edge, monkeypatch):
    right = dataclasses.replace(TERMS, edges=(edge,))
    assert Contract(right).check(clauses=["edges"], **base.ONE).ok
    terms = broken(monkeypatch, changed, edge)
    jax.clear_caches()  # the public function keeps the kernel that it traced above
    try:
        assert base.failing_clauses(terms, clauses=["edges"], **base.ONE) == {"edges"}
    finally:
        jax.clear_caches()  # nor may it keep the broken one


def _no_shared_term(y, dy):
    return y * dy + 0 * _kernel.softmax_backward(y, dy)


@plants("softmax", clause="meaning", says=["the gradient has no shared term"])
def test_a_wrong_backward():
    terms = base.with_kernel(TERMS, BACKWARD, _no_shared_term)
    assert base.failing_clauses(terms, clauses=["meaning"], **base.ONE) == {"meaning"}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((jnp.ones((2, 3)), jnp.ones((2, 2), bool)), r"mask \[2, 2\]"),
        ((jnp.ones((2, 3)), jnp.ones((4, 2, 3), bool)), "broadcasts"),
        ((jnp.ones(3), jnp.ones(3)), "mask of booleans"),
        ((jnp.ones(()),), r"x \[..., n\]"),
        ((jnp.ones(3, int),), r"x: int32\[3\]"),
    ],
)
def test_bad_input(arguments, message):
    with pytest.raises(tl.InputError, match=message):
        softmax(*arguments)
