"""Matrix product, bias and activation, a tile of the result in each program.

Forward: float32 sums over the depth, then the bias and the activation while they are in
registers; z = x @ weight + bias is written too where a derivative will want it.
Backward: two products, dx = dz @ weight^T and dweight = x^T @ dz, each of which forms
the dz = dy * activation'(z) of a tile when it loads dy and z, so that dz is never
written. The programs of the first rows of dweight add up dbias as well.
"""

import functools

import jax
import jax.numpy as jnp

from torchlean_jax.pallas_kernels._arguments import as_rows
from torchlean_jax.pallas_kernels._products import (
    ProductTile,
    accumulate,
    dot,
    load,
    over_tiles,
    store,
)
from torchlean_jax.pallas_kernels._tiles import along, cdiv
from torchlean_jax.pallas_kernels.linear._activations import ACTIVATIONS


def _forward(i, j, x_ref, w_ref, b_ref, y_ref, *z_ref, tile, activation):
    value, _ = ACTIVATIONS[activation]
    dtype = jnp.promote_types(x_ref.dtype, w_ref.dtype)
    z = accumulate(
        lambda k: load(x_ref, i[:, None], k[None, :]).astype(dtype),
        lambda k: load(w_ref, k[:, None], j[None, :]).astype(dtype),
        x_ref.shape[1],
        tile,
    )
    z = z + load(b_ref, 0 * j[None, :], j[None, :]).astype(jnp.float32)
    store(y_ref, i[:, None], j[None, :], value(z))
    for ref in z_ref:
        store(ref, i[:, None], j[None, :], z)


def _dz(z_ref, dy_ref, i, j, slope, dtype):
    """The tile of dz at rows i and columns j, which broadcast."""
    dy = load(dy_ref, i, j).astype(jnp.float32)
    return (dy * slope(load(z_ref, i, j))).astype(dtype)


def _dx(i, k, w_ref, z_ref, dy_ref, dx_ref, *, tile, slope, dtype):
    dx = accumulate(
        lambda j: _dz(z_ref, dy_ref, i[:, None], j[None, :], slope, dtype),
        lambda j: load(w_ref, k[None, :], j[:, None]).astype(dtype),
        z_ref.shape[1],
        tile,
    )
    store(dx_ref, i[:, None], k[None, :], dx)


def _dweight(k, j, x_ref, z_ref, dy_ref, dw_ref, db_ref, *, tile, slope, dtype):
    def add(step, sums):
        dw, db = sums
        i = along(step * tile.depth, tile.depth)
        x = load(x_ref, i[None, :], k[:, None]).astype(dtype)
        dz = _dz(z_ref, dy_ref, i[:, None], j[None, :], slope, dtype)
        return dw + dot(x, dz), db + dz.astype(jnp.float32).sum(axis=0)

    zero = jnp.zeros((tile.rows, tile.columns), jnp.float32)
    steps = cdiv(x_ref.shape[0], tile.depth)
    dw, db = jax.lax.fori_loop(
        0, steps, add, (zero, jnp.zeros(tile.columns, jnp.float32))
    )
    store(dw_ref, k[:, None], j[None, :], dw)
    # dbias has one row: of all programs, those of the first rows of dweight write it
    store(db_ref, k[:, None], j[None, :], jnp.broadcast_to(db[None, :], zero.shape))


def linear(x, weight, bias, *, activation, saves=True):
    """(y, z), or y alone unless it `saves` z."""
    rows, (depth, width) = as_rows(x), weight.shape
    y = jax.ShapeDtypeStruct((rows.shape[0], width), x.dtype)
    z = jax.ShapeDtypeStruct(y.shape, jnp.float32)
    shape = (*x.shape[:-1], width)
    results = [y, z] if saves else [y]
    if not rows.size:
        return tuple(jnp.zeros(shape, result.dtype) for result in results)
    tile = ProductTile.of(rows.shape[0], width, depth)
    body = functools.partial(_forward, tile=tile, activation=activation)
    operands = rows, weight, bias[None, :]
    found = over_tiles("linear", body, operands, tile, y.shape, results)
    return tuple(result.reshape(shape) for result in found)


def linear_backward(x, weight, z, dy, *, activation):
    flat, (depth, width) = as_rows(x), weight.shape
    rows = flat.shape[0]
    if not rows:
        return x, jnp.zeros_like(weight), jnp.zeros(width, jnp.float32)
    options = {
        "slope": ACTIVATIONS[activation][1],
        "dtype": jnp.promote_types(x.dtype, weight.dtype),
    }
    given = as_rows(z), as_rows(dy)
    tile = ProductTile.of(rows, depth, width)
    (dx,) = over_tiles(
        "linear_dx",
        functools.partial(_dx, tile=tile, **options),
        (weight, *given),
        tile,
        flat.shape,
        [jax.ShapeDtypeStruct(flat.shape, x.dtype)],
    )
    tile = ProductTile.of(depth, width, rows)
    dw, db = over_tiles(
        "linear_dweight",
        functools.partial(_dweight, tile=tile, **options),
        (flat, *given),
        tile,
        weight.shape,
        [
            jax.ShapeDtypeStruct(weight.shape, weight.dtype),
            jax.ShapeDtypeStruct((1, width), jnp.float32),
        ],
    )
    return dx.reshape(x.shape), dw, db[0]
