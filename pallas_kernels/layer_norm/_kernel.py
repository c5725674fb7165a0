"""LayerNorm, a tile of rows in each program; float32 inside, whatever the dtype.

Forward: a pass for the mean, one for the squared deviations, one for the result. What
of a tile lies beyond the row is 0 when it is read and -mean once the mean is taken off:
deviations are masked again before they are squared.

Backward, with r = 1/sqrt(var(x) + eps), c = x - mean(x), u = w * dy over n features:

    dx = r (u - mean(u)) - r**3 mean(u c) c,   dw = sum of dy c r,   db = sum of dy.
"""

import functools

import jax
import jax.numpy as jnp

from torchlean_jax.pallas_kernels._rows import RowTiles, on_rows


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


def _forward(tiles, x_ref, w_ref, b_ref, y_ref, *, eps):
    centred = _Centred(tiles, x_ref, eps)

    def write(step):
        y = centred.load(step) * centred.scale * tiles.load_row(w_ref, step)
        tiles.store(y_ref, step, y + tiles.load_row(b_ref, step))

    tiles.each(write)


def _backward(tiles, x_ref, dy_ref, w_ref, dx_ref, dw_ref, db_ref, *, eps):
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
    if not x.size:
        return x
    body = functools.partial(_forward, eps=eps)
    (y,) = on_rows("layer_norm", body, [x], vectors=[weight, bias], arrays=2)
    return y


def layer_norm_backward(x, weight, dy, *, eps):
    if not x.size:
        return x, jnp.zeros_like(weight), jnp.zeros(weight.shape, jnp.float32)
    body = functools.partial(_backward, eps=eps)
    dx, dw, db = on_rows(
        "layer_norm_backward",
        body,
        [x, dy],
        vectors=[weight],
        results=("rows", "sum", "sum"),
        arrays=4,
    )
    return dx, dw.astype(weight.dtype), db
