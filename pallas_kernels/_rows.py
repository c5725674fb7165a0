"""The tiles of a program that works on whole rows: loads, stores and sums, masked.

A program holds some rows of an array and walks their columns, one tile at a time; of a
tile, what lies beyond the array is read as 0 and not written. Float32 inside, whatever
the dtype of the arrays.
"""

import jax
import jax.numpy as jnp
from jax.experimental import pallas as pl
from jax.experimental.pallas import triton as plt

from torchlean_jax.pallas_kernels._tiles import Tile, along, cdiv


class RowTiles:
    """The tiles of this program in an array of `shape`: rows x columns."""

    def __init__(self, shape, tile: Tile):
        (rows, self.width), self.tile = shape, tile
        # asked outside of loops, where Pallas' interpret mode has no answer
        self.program = pl.program_id(0)
        self.row = along(self.program * tile.rows, tile.rows)
        self.real = self.row < rows

    def __len__(self):
        return cdiv(self.width, self.tile.columns)

    def at(self, step):
        """(columns, which elements there are) of a tile."""
        columns = along(step * self.tile.columns, self.tile.columns)
        return columns, self.real[:, None] & (columns < self.width)[None, :]

    def load(self, ref, step):
        columns, mask = self.at(step)
        place = ref.at[self.row[:, None], columns[None, :]]
        return plt.load(place, mask=mask, other=0.0).astype(jnp.float32)

    def load_row(self, ref, step):
        """The columns of an array that all rows share."""
        columns, _ = self.at(step)
        mask = columns < self.width
        row = plt.load(ref.at[columns], mask=mask, other=0.0)
        return row.astype(jnp.float32)[None, :]

    def store(self, ref, step, value):
        columns, mask = self.at(step)
        place = ref.at[self.row[:, None], columns[None, :]]
        plt.store(place, value.astype(ref.dtype), mask=mask)

    def store_sum(self, ref, step, value):
        """The sum of `value` over this program's rows, into its row of `ref`."""
        columns, _ = self.at(step)
        place = ref.at[self.program, columns]
        plt.store(place, value.sum(axis=0), mask=columns < self.width)

    def sum(self, term):
        """The sum over each row of term(step), in one column."""

        def add(step, total):
            return total + term(step).sum(axis=1)

        zero = jnp.zeros(self.tile.rows, jnp.float32)
        return jax.lax.fori_loop(0, len(self), add, zero)[:, None]

    def each(self, write):
        jax.lax.fori_loop(0, len(self), lambda step, _: write(step), None)
