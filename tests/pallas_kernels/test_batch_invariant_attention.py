"""Attention whose queries have the same bits in every batch and with any padding."""

import dataclasses
import functools

import jax
import jax.numpy as jnp
import mpmath
import numpy as np
import pytest

import torchlean_jax as tl
from tests.pallas_kernels.faults import plants
from torchlean_jax._float_error import output_errors_once
from torchlean_jax.contracts import Contract, _determinism, _edges, _rounding
from torchlean_jax.pallas_kernels import (
    _fixed_order,
    attention,
    batch_invariant_attention,
)
from torchlean_jax.pallas_kernels._blocks import Blocks, using
from torchlean_jax.pallas_kernels.attention._shapes import Shape
from torchlean_jax.pallas_kernels.attention._tile import AttentionTile
from torchlean_jax.pallas_kernels.batch_invariant_attention import (
    _kernel,
    _op,
    _reference,
)
from torchlean_jax.pallas_kernels.batch_invariant_attention._contract import TERMS

(PROGRAM,) = TERMS.programs


def arrays(batch, queries, keys, heads=2, kv_heads=1, dim=9):
    random = np.random.default_rng(0)
    shapes = [(batch, queries, heads, dim), *[(batch, keys, kv_heads, dim)] * 2]
    return [jnp.asarray(random.normal(size=s), jnp.float32) for s in shapes]


def test_the_contract_holds_on_a_sample():
    """The edges are those of attention, and of bits, which are asked for below. In
    tiles of 16 keys, 17 are two, the last one ragged; no other test has this shape,
    with which other tiles would be remembered."""
    small = Shape(2, 2, 17, 2, 1, 1, causal=True, alignment="end")
    terms = dataclasses.replace(TERMS, shapes={"small": small}, edges=())
    clauses = ["meaning", "memory", "precision", "determinism"]
    with using(Blocks(side=16)):
        report = Contract(terms).check(dtypes=["float32"], clauses=clauses)
    assert report.ok, str(report)


def test_rows_of_every_batch():
    q, k, v = arrays(64, 2, 19)
    call = jax.jit(
        lambda *x: batch_invariant_attention(*x, causal=True, alignment="end")
    )
    whole = np.asarray(call(q, k, v))
    for size in (1, 2, 5, 16, 33):
        some = np.asarray(call(q[-size:], k[-size:], v[-size:]))
        assert some.tobytes() == whole[-size:].tobytes()


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_one_query_beside_a_cache_has_the_bits_that_it_has_among_all(dtype):
    q, k, v = (x.astype(dtype) for x in arrays(2, 21, 21))
    call = jax.jit(
        lambda q, k, v, filled: batch_invariant_attention(
            q, k, v, causal=True, alignment="end", kv_lengths=filled
        )
    )
    whole = np.asarray(call(q, k, v, jnp.array([21, 21])))
    cache = [jnp.pad(x, ((0, 0), (0, 12), (0, 0), (0, 0))) for x in (k, v)]
    for place in (0, 1, 7, 20):
        filled = jnp.full(2, place + 1)
        one = np.asarray(call(q[:, place : place + 1], *cache, filled))
        assert one.tobytes() == whole[:, place : place + 1].tobytes()


def assert_within_the_tolerance(found, formula, args):
    """Of the contract: `slack` times what any order of the formula may be off, from
    what the formula is over the reals."""
    exact = jax.tree.leaves(tl.interpret(formula, domain=tl.Real(digits=25))(*args))
    errors = output_errors_once(formula, *args)
    for y, real, error in zip(jax.tree.leaves(found), exact, errors, strict=True):
        assert np.isfinite(error).all()
        gap = real.distance(np.asarray(y, np.float64))
        assert (gap <= PROGRAM.slack * error).all(), (gap / error).max()


def test_as_close_to_the_formula_as_any_order():
    args = arrays(2, 5, 18)
    options = {"window": (9, 3), "alignment": "start"}
    found = batch_invariant_attention(*args, **options)
    formula = functools.partial(attention, implementation="reference", **options)
    assert_within_the_tolerance(found, formula, args)
    with pytest.raises(AssertionError):
        assert_within_the_tolerance(found * (1 + 2.0**-10), formula, args)


def test_gradients_are_those_of_attention():
    operands = arrays(1, 3, 4)
    of = lambda op: jax.grad(lambda *x: (op(*x) ** 2).sum(), (0, 1, 2))
    formula = of(functools.partial(attention, implementation="reference"))
    found = of(batch_invariant_attention)(*operands)
    assert_within_the_tolerance(found, formula, operands)
    with pytest.raises(AssertionError):
        wrong = [dx * (1 + 2.0**-12) for dx in found]
        assert_within_the_tolerance(wrong, formula, operands)


def test_the_exponential_is_within_two_ulp():
    """Beside mpmath, and exact where weights meet the largest score."""
    x = -np.concatenate([np.linspace(0, 87.25, 400), np.logspace(-30, 1, 100)])
    x = x.astype(np.float32)
    found = np.asarray(jax.jit(_fixed_order.exp)(x), np.float64)
    exact = np.array([float(mpmath.exp(float(v))) for v in x])
    assert (np.abs(found - exact) <= 2 * np.spacing(exact.astype(np.float32))).all()
    ends = _fixed_order.exp(jnp.array([0.0, -88.0, -jnp.inf, jnp.nan]))
    np.testing.assert_array_equal(ends, [1.0, 0.0, 0.0, np.nan])


def _by_length(q, k, v, *rest, scale):
    """Tiles of keys as large as there are keys."""
    tile = AttentionTile(16, 16 if k.shape[1] < 100 else 64, 16)
    return _kernel._forward.attention(q, k, v, *rest, scale=scale, tile=tile)


def _by_queries(q, k, v, *rest, scale):
    tile = AttentionTile(16, 16 if q.shape[1] > 16 else 64, 16)
    return _kernel._forward.attention(q, k, v, *rest, scale=scale, tile=tile)


PADDING, ALONE = TERMS.edges[-2:]


@plants("batch_invariant_attention", clause="edges")
@pytest.mark.parametrize(
    ("wrong", "edge"), [(_by_length, PADDING), (_by_queries, ALONE)]
)
def test_tiles_that_something_else_decides(wrong, edge, monkeypatch):
    right, detail = _edges.holds(TERMS, edge)
    assert right, detail

    def op(q, k, v, *, implementation, **options):
        monkeypatch.setattr(_kernel, "attention", wrong)
        # a new one: the old one remembers what it traced of the right kernel
        monkeypatch.setattr(_op, "_compiled", _op.differentiable(_op._forward))
        return batch_invariant_attention(q, k, v, **options)

    assert not _edges.holds(dataclasses.replace(TERMS, op=op), edge)[0]


def _over_the_batch(q, k, v):
    """Scores in an order that the batch decides."""
    flip = slice(None, None, -1) if q.shape[0] < 8 else slice(None)
    return batch_invariant_attention(q[..., flip], k[..., flip], v)


def _around_the_whole(q, k, v):
    return batch_invariant_attention(q, k, v) + 1e-7 * v.sum()


@plants("batch_invariant_attention", clause="determinism")
@pytest.mark.parametrize("wrong", [_over_the_batch, _around_the_whole])
def test_what_the_batch_decides_is_caught(wrong):
    assert not _determinism.rows_keep_their_bits(wrong, arrays(9, 2, 5), 0)[0]


def _no_rescale(q, *rest, scale):
    out, top, total = _reference.fixed_order(q, *rest, scale=scale)
    return out * total.swapaxes(1, 2)[..., None], top, total


@pytest.mark.parametrize(
    ("order", "holds"), [(_reference.fixed_order, True), (_no_rescale, False)]
)
def test_the_order_on_a_cpu_is_the_formula_and_a_wrong_one_is_not(order, holds):
    """Its own exponential, which domains do not walk, is run."""
    args = PROGRAM.arguments(jax.random.key(0), TERMS.shapes["batch"], jnp.float32)
    by = dataclasses.replace(
        PROGRAM, kernel=functools.partial(order, scale=0.5), walked=False
    )
    found, detail = _rounding.within_tolerance(by, args)
    assert found is holds, detail


@pytest.mark.parametrize(
    ("change", "message"),
    [({"window": -1}, "at least 0"), ({"mask": jnp.ones(3, bool)}, r"mask \[3\]")],
)
def test_bad_input(change, message):
    with pytest.raises(tl.InputError, match=message):
        batch_invariant_attention(*arrays(1, 2, 2), **change)
