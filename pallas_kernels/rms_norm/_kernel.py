"""RMSNorm, a tile of rows in each program; float32 inside, whatever the dtype.

Forward: a pass for the sum of squares, a pass for the result. Backward, with
r = 1/sqrt(mean(x**2) + eps) and s = sum(dy * w * x):

    dx = r * w * dy - r**3 * s / n * x,      dw = sum over rows of dy * x * r.
"""

import functools

import jax
import jax.numpy as jnp

from torchlean_jax.pallas_kernels._rows import on_rows


def _scale(tiles, x_ref, eps):
    """1 / sqrt(mean(x**2) + eps) of each row."""
    squares = tiles.sum(lambda step: tiles.load(x_ref, step) ** 2)
    return jax.lax.rsqrt(squares / tiles.width + eps)


def forward(tiles, x_ref, w_ref, y_ref, *, eps):
    scale = _scale(tiles, x_ref, eps)

    def write(step):
        y = tiles.load(x_ref, step) * scale * tiles.load_row(w_ref, step)
        tiles.store(y_ref, step, y)

    tiles.each(write)


def _backward(tiles, x_ref, dy_ref, w_ref, dx_ref, dw_ref, *, eps):
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
    if not x.size:
        return x
    body = functools.partial(forward, eps=eps)
    (y,) = on_rows("rms_norm", body, [x], vectors=[weight], arrays=2)
    return y


def rms_norm_backward(x, weight, dy, *, eps):
    if not x.size:
        return x, jnp.zeros_like(weight)
    body = functools.partial(_backward, eps=eps)
    dx, dw = on_rows(
        "rms_norm_backward",
        body,
        [x, dy],
        vectors=[weight],
        results=("rows", "sum"),
        arrays=4,
    )
    return dx, dw.astype(weight.dtype)
