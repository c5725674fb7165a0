"""Products and norms whose rows have the same bits in every batch."""

import dataclasses
import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import torchlean_jax as tl
from tests.pallas_kernels import base
from tests.pallas_kernels.faults import plants
from torchlean_jax.contracts import _determinism, _meaning
from torchlean_jax.pallas_kernels import (
    _fixed_order,
    batch_invariant_matmul,
    batch_invariant_rms_norm,
    rms_norm,
)
from torchlean_jax.pallas_kernels.batch_invariant_matmul import _contract as matmul
from torchlean_jax.pallas_kernels.batch_invariant_matmul import _kernel as _matmul
from torchlean_jax.pallas_kernels.batch_invariant_rms_norm import _contract as norm
from torchlean_jax.pallas_kernels.batch_invariant_rms_norm import _reference

TERMS = {"matmul": matmul.TERMS, "norm": norm.TERMS}


@pytest.mark.parametrize("terms", TERMS.values(), ids=TERMS)
def test_rows_of_64_keep_their_bits(terms, monkeypatch):
    """Of the kernel as well, in batches of some sizes; `torchlean kernels check` has
    all of them, its sample other shapes."""
    monkeypatch.setattr(_determinism, "SIZES", (1, 5, 33, 63))
    about = {"shapes": ["batch"], "dtypes": ["float32"], "clauses": ["determinism"]}
    base.assert_contract_holds(terms.name, **about)


ARGUMENTS = {
    "matmul": (batch_invariant_matmul, (64, 130), (130, 33)),
    "norm": (batch_invariant_rms_norm, (64, 130), (130,)),
}


@pytest.mark.parametrize("name", ARGUMENTS)
def test_rows_at_any_place_beside_any_others(name):
    op, *shapes = ARGUMENTS[name]
    x, w = (jax.random.normal(jax.random.key(k), s) for k, s in enumerate(shapes))
    run = jax.jit(op)
    alone = [np.asarray(run(row[None], w)[0]).tobytes() for row in x]
    order = np.random.default_rng(0).permutation(64)
    for size in (2, 5, 16, 33, 64):
        chosen = order[:size]
        for found, k in zip(np.asarray(run(x[chosen], w)), chosen, strict=True):
            assert found.tobytes() == alone[k]


@pytest.mark.parametrize("width", [1, 16, 130])
def test_the_fixed_order_is_the_formula(width):
    """What runs without a GPU, as a function; any order is within the rounding."""
    args = jnp.ones((3, width)), jnp.ones((width, 2))
    program = matmul.TERMS.programs[0]
    fixed = dataclasses.replace(program, kernel=lambda x, w: _fixed_order.matmul(x, w))
    holds, detail = _meaning.equal(fixed, args)
    assert holds, detail
    program = norm.TERMS.programs[0]
    call = functools.partial(_reference.fixed_order, eps=norm.EPS)
    holds, detail = _meaning.equal(
        dataclasses.replace(program, kernel=call), (args[0], args[1][:, 0])
    )
    assert holds, detail


def test_against_float64_and_under_vmap():
    wide = np.random.default_rng(0).normal(size=(2, 9, 9)).astype(np.float32)
    x, w = jnp.asarray(wide)
    y = batch_invariant_matmul(x, w)
    np.testing.assert_allclose(y, np.matmul(*wide.astype(float)), atol=1e-5)
    np.testing.assert_allclose(
        jax.vmap(batch_invariant_matmul, (0, None))(x, w), y, rtol=1e-6
    )
    y = batch_invariant_rms_norm(x, w[0])
    np.testing.assert_allclose(y, rms_norm(x, w[0]), rtol=1e-5)


@pytest.mark.parametrize(
    ("op", "usual", "shape"),
    [
        (batch_invariant_matmul, jnp.matmul, (9, 4)),
        (batch_invariant_rms_norm, rms_norm, (9,)),
    ],
)
def test_gradients(op, usual, shape):
    args = [
        jax.random.normal(jax.random.key(k), s) for k, s in enumerate([(5, 9), shape])
    ]
    got = jax.grad(lambda *args: (op(*args) ** 2).sum(), (0, 1))(*args)
    expected = jax.grad(lambda *args: (usual(*args) ** 2).sum(), (0, 1))(*args)
    for a, b in zip(got, expected, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-4)


def _tile_by_batch(x, w):
    """Sums in an order that the number of rows decides: by depth 16, or by 32."""
    depth = 16 if x.shape[0] < 8 else 32
    parts = [x[:, k : k + depth] @ w[k : k + depth] for k in range(0, 40, depth)]
    return functools.reduce(jnp.add, parts)


def _looks_at_the_batch(x, w):
    return batch_invariant_matmul(x, w) + 1e-7 * x.sum()


@plants("batch_invariant_matmul", clause="determinism")
@pytest.mark.parametrize("wrong", [_tile_by_batch, _looks_at_the_batch])
def test_an_order_that_the_batch_decides_is_caught(wrong):
    program = matmul.TERMS.programs[0]
    args = program.arguments(jax.random.key(0), matmul.SHAPES["batch"], jnp.float32)
    assert _determinism.rows_keep_their_bits(batch_invariant_matmul, args, 0)[0]
    assert not _determinism.rows_keep_their_bits(wrong, args, 0)[0]


@plants("batch_invariant_matmul")
@pytest.mark.parametrize(
    ("old", "new", "clause"),
    [
        ("k[:, None], j[None, :]", "j[None, :], k[:, None]", "meaning"),
        ("        x_ref.shape[1],\n", "        x_ref.shape[1] // 16,\n", "meaning"),
        ("operands, tile, result.shape", "operands, tile, (1, 1)", "memory"),
    ],
)
def test_a_fault(old, new, clause):
    changed = base.mutated(_matmul, old, new)
    kernel = lambda x, w: changed.matmul(x, w)
    terms = base.with_kernel(matmul.TERMS, matmul.TERMS.programs[0], kernel)
    batch = {"shapes": ["batch"], "dtypes": ["float32"]}
    assert clause in base.failing_clauses(terms, clauses=[clause], **batch)


@pytest.mark.parametrize(
    ("op", "arguments", "message"),
    [
        (
            batch_invariant_matmul,
            (jnp.ones((2, 3)), jnp.ones((2, 3))),
            r"weight \[2, 3\]",
        ),
        (batch_invariant_matmul, (jnp.ones((2, 3), int), jnp.ones((3, 2))), "int32"),
        (batch_invariant_rms_norm, (jnp.ones((2, 3)), jnp.ones(2)), r"weight \[2\]"),
    ],
)
def test_bad_input(op, arguments, message):
    with pytest.raises(tl.InputError, match=message):
        op(*arguments)
