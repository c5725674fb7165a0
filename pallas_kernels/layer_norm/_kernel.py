"""LayerNorm, a tile of rows in each program; float32 inside, whatever the dtype.

Forward: a pass for the mean, one for the squared deviations, one for the result. What
of a tile lies beyond the row is 0 when it is read and -mean once the mean is taken off:
deviations are masked again before they are squared.

Backward, with r = 1/sqrt(var(x) + eps), c = x - mean(x), u = w * dy over n features:

    dx = r (u - mean(u)) - r**3 mean(u c) c,   dw = sum of dy c r,   db = sum of dy.

Each program writes its own rows of partial sums of dw and db; they are added after the
kernel in one fixed order, where atomic additions would have none.
"""

import functools

import jax
import jax.numpy as jnp
from jax.experimental import pallas as pl
from jax.experimental.pallas import triton as plt

from torchlean_jax.pallas_kernels._arguments import as_rows
from torchlean_jax.pallas_kernels._rows import RowTiles
from torchlean_jax.pallas_kernels._tiles import cdiv, row_tile


class _Centred:
    """The deviations of rows of x from their mean, and 1 / sqrt(var(x) + eps)."""

    def __init__(self, tiles: RowTiles, x_ref, eps):
        self.tiles, self.x_ref = tiles, x_ref
        total = tiles.sum(lambda step: tiles.load(x_ref, step))
        self.mean = total / tiles.width
        variance = tiles.sum(lambda step: self.load(step) ** 2) / tiles.width
        self.scale = jax.lax.rsqrt(variance + eps)

    def load(self, step):
        _, mask = self.tiles.at(step)
        x = self.tiles.load(self.x_ref, step)
        return jnp.where(mask, x - self.mean, 0.0)


def _forward(x_ref, w_ref, b_ref, y_ref, *, tile, eps):
    tiles = RowTiles(x_ref.shape, tile)
    centred = _Centred(tiles, x_ref, eps)

    def write(step):
        y = centred.load(step) * centred.scale * tiles.load_row(w_ref, step)
        tiles.store(y_ref, step, y + tiles.load_row(b_ref, step))

    tiles.each(write)


def _backward(x_ref, w_ref, dy_ref, dx_ref, dw_ref, db_ref, *, tile, eps):
    tiles = RowTiles(x_ref.shape, tile)
    centred = _Centred(tiles, x_ref, eps)

    def weighted(step):
        return tiles.load(dy_ref, step) * tiles.load_row(w_ref, step)

    level = tiles.sum(weighted) / tiles.width
    product = tiles.sum(lambda step: weighted(step) * centred.load(step))
    shared = product / tiles.width * centred.scale**3

    def write(step):
        c, dy = centred.load(step), tiles.load(dy_ref, step)
        dx = centred.scale * (weighted(step) - level) - shared * c
        tiles.store(dx_ref, step, dx)
        tiles.store_sum(dw_ref, step, dy * c * centred.scale)
        tiles.store_sum(db_ref, step, dy)

    tiles.each(write)


def layer_norm(x, weight, bias, *, eps):
    flat = as_rows(x)
    if not flat.shape[0]:
        return x
    tile = row_tile(*flat.shape, arrays=2)
    y = pl.pallas_call(
        functools.partial(_forward, tile=tile, eps=eps),
        out_shape=jax.ShapeDtypeStruct(flat.shape, x.dtype),
        grid=(cdiv(flat.shape[0], tile.rows),),
        compiler_params=plt.CompilerParams(num_warps=tile.warps),
        name="layer_norm",
    )(flat, weight, bias)
    return y.reshape(x.shape)


def layer_norm_backward(x, weight, dy, *, eps):
    flat, flat_dy = as_rows(x), as_rows(dy)
    rows, width = flat.shape
    if not rows:
        return x, jnp.zeros_like(weight), jnp.zeros(width, jnp.float32)
    tile = row_tile(rows, width, arrays=4)
    programs = cdiv(rows, tile.rows)
    partial = jax.ShapeDtypeStruct((programs, width), jnp.float32)
    dx, dw, db = pl.pallas_call(
        functools.partial(_backward, tile=tile, eps=eps),
        out_shape=(jax.ShapeDtypeStruct(flat.shape, x.dtype), partial, partial),
        grid=(programs,),
        compiler_params=plt.CompilerParams(num_warps=tile.warps),
        name="layer_norm_backward",
    )(flat, weight, flat_dy)
    dweight = dw.sum(axis=0).astype(weight.dtype)
    return dx.reshape(x.shape), dweight, db.sum(axis=0)
