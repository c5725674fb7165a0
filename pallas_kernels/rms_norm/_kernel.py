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
from torchlean_jax.pallas_kernels._rows import RowTiles
from torchlean_jax.pallas_kernels._tiles import cdiv, row_tile


def _scale(tiles, x_ref, eps):
    """1 / sqrt(mean(x**2) + eps) of each row."""
    squares = tiles.sum(lambda step: tiles.load(x_ref, step) ** 2)
    return jax.lax.rsqrt(squares / tiles.width + eps)


def _forward(x_ref, w_ref, y_ref, *, tile, eps):
    tiles = RowTiles(x_ref.shape, tile)
    scale = _scale(tiles, x_ref, eps)

    def write(step):
        y = tiles.load(x_ref, step) * scale * tiles.load_row(w_ref, step)
        tiles.store(y_ref, step, y)

    tiles.each(write)


def _backward(x_ref, w_ref, dy_ref, dx_ref, dw_ref, *, tile, eps):
    tiles = RowTiles(x_ref.shape, tile)
    scale = _scale(tiles, x_ref, eps)

    def product(step):
        x, dy = tiles.load(x_ref, step), tiles.load(dy_ref, step)
        return x * dy * tiles.load_row(w_ref, step)

    shared = tiles.sum(product) * scale**3 / tiles.width

    def write(step):
        x, dy = tiles.load(x_ref, step), tiles.load(dy_ref, step)
        dx = scale * tiles.load_row(w_ref, step) * dy - shared * x
        tiles.store(dx_ref, step, dx)
        tiles.store_sum(dw_ref, step, dy * x * scale)

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
