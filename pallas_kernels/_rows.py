"""Kernels that work on whole rows: how they are launched, and the tiles they see.

A program holds some rows of an array and walks their columns, one tile at a time; of a
tile, what lies beyond the array is read as 0 and not written. Float32 inside, whatever
the dtype of the arrays. What is done with the rows is each kernel's own.

Where all rows share something (a vector of weights, the sum of a gradient) and a row is
one tile, a program takes several tiles of rows in turn and keeps it in registers.
"""

import functools

import jax
import jax.numpy as jnp
from jax.experimental import pallas as pl
from jax.experimental.pallas import triton as plt

from torchlean_jax.pallas_kernels._arguments import as_rows
from torchlean_jax.pallas_kernels._tiles import (
    Tile,
    along,
    cdiv,
    programs_in_turn,
    row_tile,
)


def on_rows(
    name,
    body,
    rows,
    *,
    arrays: int,
    results=("rows",),
    columns=(),
    vectors=(),
    width: int | None = None,
    tile: Tile | None = None,
):
    """What `body` computes from whole rows, a list of `results`.

    rows: arrays [..., n] of one shape, not empty; columns: [...], a number for each
    row; vectors: [m], one for all rows. `body(tiles, *rows, *columns, *vectors,
    *results)` is given a RowTiles and references. results: "rows", an array like the
    first of `rows`; "column", a float32 number for each row; "sum", a float32 number
    for each column, added over all rows: of it a program has a row of its own, and
    these are added after the kernel in one fixed order, where atomic additions would
    have none. width: the columns that are walked, by default all n. arrays: how many
    tiles a program holds at once, from which their size follows unless `tile` is it.
    """
    x, flat = rows[0], [as_rows(y) for y in rows]
    height, width = flat[0].shape[0], width or flat[0].shape[1]
    tile = tile or row_tile(height, width, arrays=arrays)
    programs = cdiv(height, tile.rows)
    launch = functools.partial(_with_tiles, body, (height, width), tile)
    if tile.columns >= width and (vectors or "sum" in results):
        programs = programs_in_turn(programs)
        first = len(rows) + len(columns)
        shared = slice(first, first + len(vectors))
        sums = [first + len(vectors) + k for k, r in enumerate(results) if r == "sum"]
        launch = functools.partial(
            _in_turn, body, (height, width), tile, programs, shared, sums
        )
    kinds = {
        "rows": jax.ShapeDtypeStruct(flat[0].shape, x.dtype),
        "column": jax.ShapeDtypeStruct((height,), jnp.float32),
        "sum": jax.ShapeDtypeStruct((programs, width), jnp.float32),
    }
    found = pl.pallas_call(
        launch,
        out_shape=[kinds[kind] for kind in results],
        grid=(programs,),
        compiler_params=plt.CompilerParams(num_warps=tile.warps),
        name=name,
    )(*flat, *(column.reshape(height) for column in columns), *vectors)
    finish = {
        "rows": lambda y: y.reshape(x.shape),
        "column": lambda y: y.reshape(x.shape[:-1]),
        "sum": lambda y: y.sum(axis=0),
    }
    return [finish[kind](y) for kind, y in zip(results, found, strict=True)]


def _with_tiles(body, shape, tile, *refs):
    body(RowTiles(shape, tile, pl.program_id(0)), *refs)


def _in_turn(body, shape, tile, programs, shared, sums, *refs):
    """`body` on each tile of rows of this program: those at its number, and then one
    at every `programs` further on. shared, sums: which references are vectors for all
    rows, and which are sums over them.

    There is a loop even where the program has one tile, and its end is not known when
    it is compiled: so the code for a row is the same however many rows there are, and a
    compiler that fuses products into sums has no reason to choose by the batch.
    """
    # asked outside of the loop, where Pallas' interpret mode has no answer
    program = pl.program_id(0)
    whole = RowTiles(shape, tile, program)
    for ref in refs[shared]:
        whole.load_row(ref, 0)
    outputs = [refs[k] for k in sums]

    def turn(number, totals):
        tiles = RowTiles(shape, tile, program + number * programs, whole.held)
        body(tiles, *refs)
        added = (tiles.sums[id(ref)] for ref in outputs)
        return tuple(map(jnp.add, totals, added))

    # of all tiles those left for this program: rounded up, and not negative
    beyond = jnp.int32(cdiv(shape[0], tile.rows) + programs - 1) - program
    turns = jax.lax.div(beyond, jnp.int32(programs))
    zero = jnp.zeros(tile.columns, jnp.float32)
    totals = jax.lax.fori_loop(0, turns, turn, (zero,) * len(outputs))
    for ref, total in zip(outputs, totals, strict=True):
        whole.store_vector(ref, 0, total)


class RowTiles:
    """The tiles of a program in an array of `shape`: rows x columns. place: which of
    the tiles of rows; held: what the program has loaded before."""

    def __init__(self, shape, tile: Tile, place, held=()):
        (rows, self.width), self.tile, self.place = shape, tile, place
        self.row = along(place * tile.rows, tile.rows)
        self.real = self.row < rows
        self.held = dict(held)
        self.sums = {}

    def __len__(self):
        return cdiv(self.width, self.tile.columns)

    def at(self, step):
        """(columns, which elements there are) of a tile."""
        columns = along(step * self.tile.columns, self.tile.columns)
        return columns, self.real[:, None] & (columns < self.width)[None, :]

    def load(self, ref, step, stride: int = 1, offset: int = 0):
        """The tile of an array: floats in float32, integers as they are.

        Its columns are stride * column + offset."""

        def tile():
            columns, mask = self.at(step)
            return ref.at[self.row[:, None], stride * columns[None, :] + offset], mask

        return self._once((id(ref), stride, offset), tile)

    def load_row(self, ref, step):
        """The columns of an array that all rows share."""

        def row():
            columns, _ = self.at(step)
            return ref.at[columns], columns < self.width

        return self._once(id(ref), row)[None, :]

    def load_column(self, ref):
        """The number that each row has, as a column."""
        return _wide(plt.load(ref.at[self.row], mask=self.real, other=0))[:, None]

    def _once(self, key, placed):
        """What is at a place. Of rows that are one tile, a program loads each once and
        keeps it in registers from then on; longer rows are loaded anew in each pass."""
        if key in self.held:
            return self.held[key]
        place, mask = placed()
        value = _wide(plt.load(place, mask=mask, other=0))
        if len(self) == 1:
            self.held[key] = value
        return value

    def store(self, ref, step, value, stride: int = 1, offset: int = 0):
        columns, mask = self.at(step)
        place = ref.at[self.row[:, None], stride * columns[None, :] + offset]
        plt.store(place, value.astype(ref.dtype), mask=mask)

    def store_column(self, ref, value):
        plt.store(ref.at[self.row], value[:, 0].astype(ref.dtype), mask=self.real)

    def store_sum(self, ref, step, value):
        """The sum of `value` over this program's rows, into its row of `ref`."""
        if len(self) == 1:  # more may be added by the next rows
            self.sums[id(ref)] = value.sum(axis=0)
        else:
            self.store_vector(ref, step, value.sum(axis=0))

    def store_vector(self, ref, step, value):
        """`value` into the row of `ref` that is this program's."""
        columns, _ = self.at(step)
        plt.store(ref.at[self.place, columns], value, mask=columns < self.width)

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


def _wide(value):
    floating = jnp.issubdtype(value.dtype, jnp.floating)
    return value.astype(jnp.float32) if floating else value
