"""Scatter-add, a row of the result in each program, and its gradient, a gather.

Atomic additions come in any order, and so do the bits of their sums. Here the updates
are sorted by place (stable: equal places keep their order), and one program adds those
of its row to the operand's, one after the other, in float32. So the bits of a row
depend on its own updates and their order, and on nothing else.

A place of `rows` means that the update takes no part: it is sorted behind all others.
"""

import jax
import jax.numpy as jnp
from jax.experimental import pallas as pl
from jax.experimental.pallas import triton as plt

from torchlean_jax.pallas_kernels._tiles import Tile, along, cdiv, row_tile

_MOST_COLUMNS = 1024


class Columns:
    """A tile of the columns of a row."""

    def __init__(self, part, width, tile: Tile):
        self.column = along(part * tile.columns, tile.columns)
        self.real = self.column < width

    def load(self, ref, row):
        place = ref.at[row, self.column]
        return plt.load(place, mask=self.real, other=0.0).astype(jnp.float32)

    def store(self, ref, row, value):
        place = ref.at[row, self.column]
        plt.store(place, value.astype(ref.dtype), mask=self.real)


def _add(x_ref, order_ref, starts_ref, updates_ref, y_ref, *, tile):
    row, columns = pl.program_id(0), Columns(pl.program_id(1), x_ref.shape[1], tile)

    def add(number, total):
        return total + columns.load(updates_ref, order_ref[number])

    span = starts_ref[row], starts_ref[row + 1]
    total = jax.lax.fori_loop(*span, add, columns.load(x_ref, row))
    columns.store(y_ref, row, total)


def _gather(source_ref, places_ref, y_ref, *, tile):
    row = along(pl.program_id(0) * tile.rows, tile.rows)
    column = along(pl.program_id(1) * tile.columns, tile.columns)
    rows, width = source_ref.shape
    real, across = row < places_ref.shape[0], (column < width)[None, :]
    # beyond the end, a place that takes no part
    place = plt.load(places_ref.at[row], mask=real, other=rows)
    inside = (place >= 0) & (place < rows)
    source = source_ref.at[place[:, None], column[None, :]]
    y = plt.load(source, mask=inside[:, None] & across, other=0.0)
    plt.store(y_ref.at[row[:, None], column[None, :]], y, mask=real[:, None] & across)


def sorted_by_place(places, rows):
    """(the updates in order of their place, where in it each row's begin)."""
    taking_part = (places >= 0) & (places < rows)
    key = jnp.where(taking_part, places, rows)
    order = jnp.argsort(key, stable=True).astype(jnp.int32)
    starts = jnp.searchsorted(key[order], jnp.arange(rows + 1, dtype=key.dtype))
    return order, starts.astype(jnp.int32)


def scatter_add(operand, places, updates):
    rows, width = operand.shape
    if not operand.size or not updates.size:
        return operand
    tile = Tile(1, min(row_tile(1, width).columns, _MOST_COLUMNS))
    return _call("scatter_add", _add, tile, (rows, width), operand.dtype)(
        operand, *sorted_by_place(places, rows), updates
    )


def gather_rows(source, places):
    count, width = places.shape[0], source.shape[1]
    if not count or not source.size:
        return jnp.zeros((count, width), source.dtype)
    tile = row_tile(count, width)
    call = _call("gather_rows", _gather, tile, (count, width), source.dtype)
    return call(source, places)


def _call(name, body, tile, shape, dtype):
    return pl.pallas_call(
        lambda *refs: body(*refs, tile=tile),
        out_shape=jax.ShapeDtypeStruct(shape, dtype),
        grid=(cdiv(shape[0], tile.rows), cdiv(shape[1], tile.columns)),
        compiler_params=plt.CompilerParams(num_warps=tile.warps),
        name=name,
    )
