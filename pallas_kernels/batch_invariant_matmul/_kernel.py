"""Matrix product in tiles whose size the batch does not decide.

What a row's sums are made of is the tile's depth and the order of the steps. Both
depend on the weight alone; a batch of one row is a tile with 15 rows of zeros, and no
sum is split between programs to keep a GPU busy that the batch would leave idle.
"""

import functools

import jax
import jax.numpy as jnp

from torchlean_jax.pallas_kernels._arguments import as_rows
from torchlean_jax.pallas_kernels._products import (
    ProductTile,
    accumulate,
    load,
    over_tiles,
    store,
)

# Few rows, since decoding has few: what lies beyond the batch is work for nothing.
ROWS = 16


def _body(i, j, x_ref, w_ref, y_ref, *, tile):
    dtype = jnp.promote_types(x_ref.dtype, w_ref.dtype)
    y = accumulate(
        lambda k: load(x_ref, i[:, None], k[None, :]).astype(dtype),
        lambda k: load(w_ref, k[:, None], j[None, :]).astype(dtype),
        x_ref.shape[1],
        tile,
    )
    store(y_ref, i[:, None], j[None, :], y)


def matmul(x, weight):
    rows, (depth, width) = as_rows(x), weight.shape
    shape = (*x.shape[:-1], width)
    if not rows.size:
        return jnp.zeros(shape, x.dtype)
    tile = ProductTile.of(ROWS, width, depth)
    result = jax.ShapeDtypeStruct((rows.shape[0], width), x.dtype)
    body = functools.partial(_body, tile=tile)
    name, operands = "batch_invariant_matmul", (rows, weight)
    (y,) = over_tiles(name, body, operands, tile, result.shape, [result])
    return y.reshape(shape)
