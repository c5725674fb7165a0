"""The forward kernel: a program takes a tile of queries of one head and walks the keys.

For each query it keeps the largest score so far (`top`), the sum of exp(score - top)
and the sum of exp(score - top) v. When a tile of keys raises the largest score, both
sums are multiplied by exp(old top - new top). No array of scores is ever in memory.

Source: Milakov and Gimelshein 2018 (arXiv:1805.02867), algorithm 3; Dao et al. 2022
(arXiv:2205.14135), algorithm 1.
"""

import functools

import jax
import jax.numpy as jnp
from jax.experimental import pallas as pl
from jax.experimental.pallas import triton as plt

from torchlean_jax.pallas_kernels._tiles import cdiv
from torchlean_jax.pallas_kernels.attention._operands import Operands, weighted
from torchlean_jax.pallas_kernels.attention._reference import LOWEST
from torchlean_jax.pallas_kernels.attention._tile import attention_tile


def _kernel(*refs, tile, scale, masked, biased):
    operands, (out_ref, top_ref, total_ref) = taken(refs, tile, scale, masked, biased)
    step, head, batch = (pl.program_id(axis) for axis in range(3))
    rows = operands.rows(step)
    q = operands.load(operands.q, batch, rows, head)

    def look(at, found):
        columns = operands.columns(at)
        key_head = head // operands.group
        k = operands.load(operands.k, batch, columns, key_head)
        v = operands.load(operands.v, batch, columns, key_head)
        scores, allowed = operands.scores(batch, head, rows, columns, q, k)
        return _further(found, scores, allowed, v)

    start, end = operands.key_steps(batch, step)
    found = jax.lax.fori_loop(start, end, look, _nothing(tile))
    top, total, summed, seen = found
    total = jnp.where(seen > 0, total, 1.0)
    operands.store(out_ref, batch, rows, head, summed / total[:, None])
    operands.store_row(top_ref, batch, rows, head, jnp.where(seen > 0, top, 0.0))
    operands.store_row(total_ref, batch, rows, head, total)


def _nothing(tile):
    """What is known of queries that have seen no key yet."""
    return (
        jnp.full(tile.queries, LOWEST, jnp.float32),
        jnp.zeros(tile.queries, jnp.float32),
        jnp.zeros((tile.queries, tile.dim), jnp.float32),
        jnp.zeros(tile.queries, jnp.int32),
    )


def _further(found, scores, allowed, v):
    """What is known after one more tile of keys."""
    top, total, summed, seen = found
    known = jnp.where(allowed, scores, LOWEST)
    highest = jnp.maximum(top, known.max(axis=1))
    # of a query that has seen nothing both tops are LOWEST, which is no number to shift
    # by: their difference is not 0 in every semantics
    gap = jnp.where(seen > 0, top - highest, 0.0)
    fade = jnp.where(seen > 0, jnp.exp(gap), 0.0)
    shifted = jnp.where(allowed, scores - highest[:, None], 0.0)
    weights = jnp.where(allowed, jnp.exp(shifted), 0.0)
    return (
        highest,
        total * fade + weights.sum(axis=1),
        summed * fade[:, None] + weighted(weights, v, allowed),
        jnp.maximum(seen, allowed.astype(jnp.int32).max(axis=1)),
    )


def taken(refs, tile, scale, masked, biased):
    """(operands, all other references): mask and bias are there where they were
    given."""
    q, k, v, limits, *rest = refs
    mask = rest.pop(0) if masked else None
    bias = rest.pop(0) if biased else None
    return Operands(q, k, v, limits, mask, bias, tile, scale), rest


def attention(
    q, k, v, limits, mask=None, bias=None, *, scale, name="attention", tile=None
):
    batch, queries, heads, dim = q.shape
    if not (q.size and k.size):
        rows = batch, heads, queries
        return jnp.zeros_like(q), jnp.zeros(rows), jnp.ones(rows)
    tile = tile or attention_tile(queries, k.shape[1], dim)
    rows = jax.ShapeDtypeStruct((batch, heads, queries), jnp.float32)
    return pl.pallas_call(
        kernel_of(_kernel, tile, scale, mask, bias),
        out_shape=(jax.ShapeDtypeStruct(q.shape, q.dtype), rows, rows),
        grid=(cdiv(queries, tile.queries), heads, batch),
        compiler_params=plt.CompilerParams(num_warps=tile.warps),
        name=name,
    )(*given(q, k, v, limits, mask, bias))


def given(*operands):
    """The operands that there are."""
    return tuple(x for x in operands if x is not None)


def kernel_of(body, tile, scale, mask, bias):
    given = {"masked": mask is not None, "biased": bias is not None}
    return functools.partial(body, tile=tile, scale=scale, **given)
