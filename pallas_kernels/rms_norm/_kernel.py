"""RMSNorm, a tile of rows in each program; float32 inside, whatever the dtype.

Forward: a pass for the sum of squares, a pass for the result. Backward, with
r = 1/sqrt(mean(x**2) + eps) and s = sum(dy * w * x):

    dx = r * w * dy - r**3 * s / n * x,      dw = sum over rows of dy * x * r.

Each program writes its own row of partial sums of dw; they are added after the kernel
in one fixed order, where atomic additions would have none.
"""

import functools

import jax
import jax.numpy as jnp
from jax.experimental import pallas as pl
from jax.experimental.pallas import triton as plt

from torchlean_jax.pallas_kernels._arguments import as_rows
from torchlean_jax.pallas_kernels._tiles import along, cdiv, row_tile


class _Tiles:
    """The tiles of this program: (columns, mask) of each."""

    def __init__(self, shape, tile):
        (rows, self.width), self.tile = shape, tile
        # asked outside of loops, where Pallas' interpret mode has no answer
        self.program = pl.program_id(0)
        self.row = along(self.program * tile.rows, tile.rows)
        self.real = self.row < rows

    def __len__(self):
        return cdiv(self.width, self.tile.columns)

    def at(self, step):
        columns = along(step * self.tile.columns, self.tile.columns)
        return columns, self.real[:, None] & (columns < self.width)[None, :]

    def load(self, ref, step):
        columns, mask = self.at(step)
        place = ref.at[self.row[:, None], columns[None, :]]
        return plt.load(place, mask=mask, other=0.0).astype(jnp.float32)

    def load_row(self, ref, step):
        columns, _ = self.at(step)
        mask = columns < self.width
        row = plt.load(ref.at[columns], mask=mask, other=0.0)
        return row.astype(jnp.float32)[None, :]

    def store(self, ref, step, value):
        columns, mask = self.at(step)
        place = ref.at[self.row[:, None], columns[None, :]]
        plt.store(place, value.astype(ref.dtype), mask=mask)

    def sum(self, term):
        """The sum over each row of term(step)."""

        def add(step, total):
            return total + term(step).sum(axis=1)

        zero = jnp.zeros(self.tile.rows, jnp.float32)
        return jax.lax.fori_loop(0, len(self), add, zero)[:, None]

    def each(self, write):
        jax.lax.fori_loop(0, len(self), lambda step, _: write(step), None)


def _scale(tiles, x_ref, eps):
    """1 / sqrt(mean(x**2) + eps) of each row."""
    squares = tiles.sum(lambda step: tiles.load(x_ref, step) ** 2)
    return jax.lax.rsqrt(squares / tiles.width + eps)


def _forward(x_ref, w_ref, y_ref, *, tile, eps):
    tiles = _Tiles(x_ref.shape, tile)
    scale = _scale(tiles, x_ref, eps)

    def write(step):
        y = tiles.load(x_ref, step) * scale * tiles.load_row(w_ref, step)
        tiles.store(y_ref, step, y)

    tiles.each(write)


def _backward(x_ref, w_ref, dy_ref, dx_ref, dw_ref, *, tile, eps):
    tiles = _Tiles(x_ref.shape, tile)
    scale = _scale(tiles, x_ref, eps)

    def product(step):
        x, dy = tiles.load(x_ref, step), tiles.load(dy_ref, step)
        return x * dy * tiles.load_row(w_ref, step)

    shared = tiles.sum(product) * scale**3 / tiles.width

    def write(step):
        x, dy = tiles.load(x_ref, step), tiles.load(dy_ref, step)
        dx = scale * tiles.load_row(w_ref, step) * dy - shared * x
        tiles.store(dx_ref, step, dx)
        columns, _ = tiles.at(step)
        place = dw_ref.at[tiles.program, columns]
        plt.store(place, (dy * x * scale).sum(axis=0), mask=columns < tiles.width)

    tiles.each(write)


def rms_norm(x, weight, *, eps):
    flat = as_rows(x)
    if not flat.shape[0]:
        return x
    tile = row_tile(*flat.shape, arrays=2)
    y = pl.pallas_call(
        functools.partial(_forward, tile=tile, eps=eps),
        out_shape=jax.ShapeDtypeStruct(flat.shape, x.dtype),
        grid=(cdiv(flat.shape[0], tile.rows),),
        compiler_params=plt.CompilerParams(num_warps=tile.warps),
        name="rms_norm",
    )(flat, weight)
    return y.reshape(x.shape)


def rms_norm_backward(x, weight, dy, *, eps):
    flat, flat_dy = as_rows(x), as_rows(dy)
    rows, width = flat.shape
    if not rows:
        return x, jnp.zeros_like(weight)
    tile = row_tile(rows, width, arrays=4)
    programs = cdiv(rows, tile.rows)
    dx, partial = pl.pallas_call(
        functools.partial(_backward, tile=tile, eps=eps),
        out_shape=(
            jax.ShapeDtypeStruct(flat.shape, x.dtype),
            jax.ShapeDtypeStruct((programs, width), jnp.float32),
        ),
        grid=(programs,),
        compiler_params=plt.CompilerParams(num_warps=tile.warps),
        name="rms_norm_backward",
    )(flat, weight, flat_dy)
    return dx.reshape(x.shape), partial.sum(axis=0).astype(weight.dtype)
