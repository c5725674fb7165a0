"""Kernels that work on whole rows: how they are launched, and the tiles they see.

A program holds some rows of an array and walks their columns, one tile at a time; of a
tile, what lies beyond the array is read as 0 and not written. Float32 inside, whatever
the dtype of the arrays. What is done with the rows is each kernel's own.
"""

import functools

import jax
import jax.numpy as jnp
from jax.experimental import pallas as pl
from jax.experimental.pallas import triton as plt

from torchlean_jax.pallas_kernels._arguments import as_rows
from torchlean_jax.pallas_kernels._tiles import Tile, along, cdiv, row_tile


def on_rows(name, body, rows, vectors=(), *, arrays: int, sums: int = 0):
    """A result like the first of `rows`, and `sums` sums over all of its rows.

    rows: arrays [..., n] of one shape, not empty; vectors: [n], one for all rows.
    `body(tiles, *rows, *vectors, result, *partial)` is given a RowTiles and
    references; of each partial sum a program has a row of its own, and these rows are
    added after the kernel in one fixed order, where atomic additions would have none.
    arrays: how many tiles a program holds at once.
    """
    x, flat = rows[0], [as_rows(y) for y in rows]
    shape = flat[0].shape
    tile = row_tile(*shape, arrays=arrays)
    programs = cdiv(shape[0], tile.rows)
    partial = jax.ShapeDtypeStruct((programs, shape[1]), jnp.float32)
    result, *found = pl.pallas_call(
        functools.partial(_with_tiles, body, shape, tile),
        out_shape=(jax.ShapeDtypeStruct(shape, x.dtype), *[partial] * sums),
        grid=(programs,),
        compiler_params=plt.CompilerParams(num_warps=tile.warps),
        name=name,
    )(*flat, *vectors)
    return result.reshape(x.shape), *(each.sum(axis=0) for each in found)


def _with_tiles(body, shape, tile, *refs):
    body(RowTiles(shape, tile), *refs)


class RowTiles:
    """The tiles of this program in an array of `shape`: rows x columns."""

    def __init__(self, shape, tile: Tile):
        (rows, self.width), self.tile = shape, tile
        # asked outside of loops, where Pallas' interpret mode has no answer
        self.program = pl.program_id(0)
        self.row = along(self.program * tile.rows, tile.rows)
        self.real = self.row < rows
        self.held = {}

    def __len__(self):
        return cdiv(self.width, self.tile.columns)

    def at(self, step):
        """(columns, which elements there are) of a tile."""
        columns = along(step * self.tile.columns, self.tile.columns)
        return columns, self.real[:, None] & (columns < self.width)[None, :]

    def load(self, ref, step):
        """The tile of an array: floats in float32, integers as they are."""

        def tile():
            columns, mask = self.at(step)
            return ref.at[self.row[:, None], columns[None, :]], mask

        return self._once(ref, tile)

    def load_row(self, ref, step):
        """The columns of an array that all rows share."""

        def row():
            columns, _ = self.at(step)
            return ref.at[columns], columns < self.width

        return self._once(ref, row)[None, :]

    def _once(self, ref, placed):
        """What is at a place. Of rows that are one tile, a program loads each once and
        keeps it in registers from then on; longer rows are loaded anew in each pass."""
        if id(ref) in self.held:
            return self.held[id(ref)]
        place, mask = placed()
        value = plt.load(place, mask=mask, other=0)
        if jnp.issubdtype(value.dtype, jnp.floating):
            value = value.astype(jnp.float32)
        if len(self) == 1:
            self.held[id(ref)] = value
        return value

    def store(self, ref, step, value):
        columns, mask = self.at(step)
        place = ref.at[self.row[:, None], columns[None, :]]
        plt.store(place, value.astype(ref.dtype), mask=mask)

    def store_sum(self, ref, step, value):
        """The sum of `value` over this program's rows, into its row of `ref`."""
        columns, _ = self.at(step)
        place = ref.at[self.program, columns]
        plt.store(place, value.sum(axis=0), mask=columns < self.width)

    def fold(self, add, start):
        """add(step, ... add(1, add(0, start))), over all tiles of a row."""
        if len(self) == 1:  # no loop: what is held is of this scope
            return add(0, start)
        return jax.lax.fori_loop(0, len(self), add, start)

    def sum(self, term):
        """The sum over each row of term(step), in one column."""

        def add(step, total):
            return total + term(step).sum(axis=1)

        zero = jnp.zeros(self.tile.rows, jnp.float32)
        return self.fold(add, zero)[:, None]

    def each(self, write):
        self.fold(lambda step, _: write(step), None)
