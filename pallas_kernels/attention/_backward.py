"""The backward kernels: weights are computed again from `top` and `total`.

One kernel walks the keys for a tile of queries and gives dq; another walks the heads of
a group and their queries for a tile of keys and gives dk and dv, each program adding up
in one fixed order, where atomic additions would have none. delta = sum(dout * out) is
computed before, once for each query.

Source: Dao et al. 2022 (arXiv:2205.14135), appendix B.4; Dao 2023 (arXiv:2307.08691),
section 3.1, for one kernel along each axis.
"""

import jax
import jax.numpy as jnp
from jax.experimental import pallas as pl
from jax.experimental.pallas import triton as plt

from torchlean_jax.pallas_kernels._tiles import cdiv
from torchlean_jax.pallas_kernels.attention._forward import given, kernel_of, taken
from torchlean_jax.pallas_kernels.attention._operands import (
    Operands,
    dot_rows,
    weighted,
    weighted_down,
)
from torchlean_jax.pallas_kernels.attention._reference import delta
from torchlean_jax.pallas_kernels.attention._tile import attention_tile


class OfRows:
    """What the backward pass needs of a tile of queries of one head."""

    def __init__(self, operands: Operands, refs, batch, rows, head):
        top_ref, total_ref, delta_ref, dout_ref = refs
        self.batch, self.rows, self.head = batch, rows, head
        self.operands = operands
        self.q = operands.load(operands.q, batch, rows, head)
        self.dout = operands.load(dout_ref, batch, rows, head)
        self.top = operands.load_row(top_ref, batch, rows, head)
        self.total = operands.load_row(total_ref, batch, rows, head)
        self.delta = operands.load_row(delta_ref, batch, rows, head)

    def against(self, columns, k, v):
        """(weights, cotangents of the scores, which pairs are allowed)."""
        scores, allowed = self.operands.scores(
            self.batch, self.head, self.rows, columns, self.q, k
        )
        shifted = jnp.where(allowed, scores - self.top[:, None], 0.0)
        # beyond the array a total was read as 0
        p = jnp.where(allowed, jnp.exp(shifted) / self.total[:, None], 0.0)
        dp = dot_rows(self.dout, v)
        ds = jnp.where(allowed, p * (dp - self.delta[:, None]), 0.0)
        return p, ds, allowed


def _of_queries(*refs, tile, scale, masked, biased):
    operands, (*row_refs, dq_ref) = taken(refs, tile, scale, masked, biased)
    step, head, batch = (pl.program_id(axis) for axis in range(3))
    rows = operands.rows(step)
    of_rows = OfRows(operands, row_refs, batch, rows, head)

    def add(at, dq):
        columns = operands.columns(at)
        key_head = head // operands.group
        k = operands.load(operands.k, batch, columns, key_head)
        v = operands.load(operands.v, batch, columns, key_head)
        _, ds, allowed = of_rows.against(columns, k, v)
        return dq + weighted(ds, k, allowed)

    nothing = jnp.zeros((tile.queries, tile.dim), jnp.float32)
    start, end = operands.key_steps(batch, step)
    dq = jax.lax.fori_loop(start, end, add, nothing)
    operands.store(dq_ref, batch, rows, head, scale * dq)


def _of_keys(*refs, tile, scale, masked, biased):
    operands, (*row_refs, dk_ref, dv_ref) = taken(refs, tile, scale, masked, biased)
    step, key_head, batch = (pl.program_id(axis) for axis in range(3))
    columns = operands.columns(step)
    k = operands.load(operands.k, batch, columns, key_head)
    v = operands.load(operands.v, batch, columns, key_head)
    start, end = operands.query_steps(batch, step)

    def head_of_group(member, sums):
        head = key_head * operands.group + member

        def add(at, sums):
            of_rows = OfRows(operands, row_refs, batch, operands.rows(at), head)
            p, ds, allowed = of_rows.against(columns, k, v)
            dk, dv = sums
            dk = dk + weighted_down(ds, of_rows.q, allowed)
            return dk, dv + weighted_down(p, of_rows.dout, allowed)

        return jax.lax.fori_loop(start, end, add, sums)

    nothing = jnp.zeros((tile.keys, tile.dim), jnp.float32)
    sums = jax.lax.fori_loop(0, operands.group, head_of_group, (nothing, nothing))
    operands.store(dk_ref, batch, columns, key_head, scale * sums[0])
    operands.store(dv_ref, batch, columns, key_head, sums[1])


def attention_backward(q, k, v, limits, mask, bias, out, top, total, dout, *, scale):
    if not (q.size and k.size):
        return jnp.zeros_like(q), jnp.zeros_like(k), jnp.zeros_like(v)
    batch, queries, heads, dim = q.shape
    tile = attention_tile(queries, k.shape[1], dim)
    params = plt.CompilerParams(num_warps=tile.warps)
    operands = given(q, k, v, limits, mask, bias, top, total, delta(out, dout), dout)
    dq = pl.pallas_call(
        kernel_of(_of_queries, tile, scale, mask, bias),
        out_shape=jax.ShapeDtypeStruct(q.shape, q.dtype),
        grid=(cdiv(queries, tile.queries), heads, batch),
        compiler_params=params,
        name="attention_backward_queries",
    )(*operands)
    dk, dv = pl.pallas_call(
        kernel_of(_of_keys, tile, scale, mask, bias),
        out_shape=tuple(jax.ShapeDtypeStruct(x.shape, x.dtype) for x in (k, v)),
        grid=(cdiv(k.shape[1], tile.keys), k.shape[2], batch),
        compiler_params=params,
        name="attention_backward_keys",
    )(*operands)
    return dq, dk, dv
