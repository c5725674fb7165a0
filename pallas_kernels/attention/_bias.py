"""The gradient of the bias, by the bias's own tiles.

A program takes one tile of the bias and adds up the cotangents of all scores to which
its elements were added: over the batch, heads, queries or keys along which the bias was
repeated, in one fixed order. So it is as large as the bias and no larger; nothing
queries x keys is stored unless the bias itself is that.
"""

import jax
import jax.numpy as jnp
from jax.experimental import pallas as pl
from jax.experimental.pallas import triton as plt

from torchlean_jax.pallas_kernels._tiles import along, cdiv
from torchlean_jax.pallas_kernels.attention._backward import OfRows
from torchlean_jax.pallas_kernels.attention._forward import given, kernel_of, taken
from torchlean_jax.pallas_kernels.attention._reference import delta
from torchlean_jax.pallas_kernels.attention._tile import attention_tile


def _of_bias(*refs, tile, scale, masked, biased):
    operands, (*row_refs, dbias_ref) = taken(refs, tile, scale, masked, biased)
    batches, heads, length, width = dbias_ref.shape
    row_step, column_step, member = (pl.program_id(axis) for axis in range(3))

    def add(batch, head, row_at, column_at, total):
        key_head = head // operands.group
        columns = operands.columns(column_at)
        k = operands.load(operands.k, batch, columns, key_head)
        v = operands.load(operands.v, batch, columns, key_head)
        rows = operands.rows(row_at)
        of_rows = OfRows(operands, row_refs, batch, rows, head)
        return total + of_rows.against(columns, k, v)[1]

    def over_columns(batch, head, row_at, total):
        some = _one(column_step) if width > 1 else operands.key_steps(batch, row_at)

        def each(at, total):
            return add(batch, head, row_at, at, total)

        return jax.lax.fori_loop(*some, each, total)

    def over_rows(batch, head, total):
        all_rows = 0, cdiv(operands.q.shape[1], tile.queries)
        some = _one(row_step) if length > 1 else all_rows

        def each(at, total):
            return over_columns(batch, head, at, total)

        return jax.lax.fori_loop(*some, each, total)

    def over_heads(batch, total):
        some = _one(member % heads) if heads > 1 else (0, operands.heads)

        def each(head, total):
            return over_rows(batch, head, total)

        return jax.lax.fori_loop(*some, each, total)

    some = _one(member // heads) if batches > 1 else (0, operands.q.shape[0])
    total = jnp.zeros((tile.queries, tile.keys), jnp.float32)
    total = jax.lax.fori_loop(*some, over_heads, total)
    _store(dbias_ref, member, row_step, column_step, tile, total)


def _one(step):
    return step, step + 1


def _store(ref, member, row_step, column_step, tile, total):
    """The tile, summed along the axes of which the bias has one element."""
    _, heads, length, width = ref.shape
    if length == 1:
        total = total.sum(axis=0)[None, :]
    if width == 1:
        total = total.sum(axis=1)[:, None]
    rows = along(row_step * tile.queries, total.shape[0])
    columns = along(column_step * tile.keys, total.shape[1])
    inside = (rows < length)[:, None] & (columns < width)[None, :]
    place = ref.at[member // heads, member % heads, rows[:, None], columns[None, :]]
    plt.store(place, total.astype(ref.dtype), mask=inside)


def bias_backward(q, k, v, limits, mask, bias, out, top, total, dout, *, scale):
    if not (q.size and k.size):
        return jnp.zeros_like(bias)
    batches, heads, length, width = bias.shape
    tile = attention_tile(q.shape[1], k.shape[1], q.shape[3])
    return pl.pallas_call(
        kernel_of(_of_bias, tile, scale, mask, bias),
        out_shape=jax.ShapeDtypeStruct(bias.shape, bias.dtype),
        grid=(cdiv(length, tile.queries), cdiv(width, tile.keys), heads * batches),
        compiler_params=plt.CompilerParams(num_warps=tile.warps),
        name="attention_bias_backward",
    )(*given(q, k, v, limits, mask, bias, top, total, delta(out, dout), dout))
