"""The product of all modes with their matrices, a tile of one mode in each program.

Of a complex product the four real ones are computed at once, so that each part of an
operand is read once by a program. Forward and backward are sums of one kind,

    y = x w over the channels in,   dx = dy conj(w) over the channels out,
    dw = conj(x) dy over the batch,

which differ in where row, column, mode and summand stand among the axes: the kernel
takes them as letters. Products are added one after the other in float32, and not by
`dot`, whose tiles have at least 16 rows: batches are often smaller.
"""

import functools

import jax
import jax.numpy as jnp
from jax.experimental import pallas as pl
from jax.experimental.pallas import triton as plt

from torchlean_jax.pallas_kernels._tiles import Tile, along, cdiv, power_of_two

_MOST_ROWS, _MOST_COLUMNS = 16, 64


class ModeTile:
    """Rows and columns of one mode, in the letters r, c, m and s (the summand)."""

    def __init__(self, shape, tile: Tile):
        rows, columns = shape
        row = along(pl.program_id(1) * tile.rows, tile.rows)
        column = along(pl.program_id(2) * tile.columns, tile.columns)
        self.indices = {"m": pl.program_id(0), "r": row, "c": column}
        self.masks = {"r": row < rows, "c": column < columns}

    def load(self, ref, letters, summand):
        """The rows or columns of an operand for one summand."""
        known = self.indices | {"s": summand}
        (mask,) = (self.masks[k] for k in letters if k in self.masks)
        place = ref.at[tuple(known[k] for k in letters)]
        return plt.load(place, mask=mask, other=0.0).astype(jnp.float32)

    def store(self, ref, letters, value):
        wide = {"r": self.indices["r"][:, None], "c": self.indices["c"][None, :]}
        place = ref.at[tuple((self.indices | wide)[k] for k in letters)]
        mask = self.masks["r"][:, None] & self.masks["c"][None, :]
        plt.store(place, value.astype(ref.dtype), mask=mask)


def _product(left, right, *out, letters, shape, summands, tile, conjugated):
    of_left, of_right, of_out = letters
    modes = ModeTile(shape, tile)
    sign_left, sign_right = (-1.0 if side in conjugated else 1.0 for side in "lr")

    def add(summand, totals):
        real, imag = totals
        a, b = (modes.load(ref, of_left, summand)[:, None] for ref in left)
        c, d = (modes.load(ref, of_right, summand)[None, :] for ref in right)
        b, d = sign_left * b, sign_right * d
        return real + a * c - b * d, imag + a * d + b * c

    zero = jnp.zeros((tile.rows, tile.columns), jnp.float32)
    totals = jax.lax.fori_loop(0, summands, add, (zero, zero))
    for ref, total in zip(out, totals, strict=True):
        modes.store(ref, of_out, total)


def contraction(name, left, right, letters, conjugated=""):
    """The pair of parts of a product: `letters` as in "left,right->out"."""
    of_left, of_right, of_out = letters.replace("->", ",").split(",")
    sizes = dict(zip(of_left, left[0].shape, strict=True))
    sizes |= dict(zip(of_right, right[0].shape, strict=True))
    out = jax.ShapeDtypeStruct(tuple(sizes[k] for k in of_out), jnp.float32)
    if not all(out.shape):
        return [jnp.zeros(out.shape, jnp.float32)] * 2
    tile = Tile(
        min(power_of_two(sizes["r"]), _MOST_ROWS),
        min(power_of_two(sizes["c"]), _MOST_COLUMNS),
    )
    body = functools.partial(
        _product,
        letters=(of_left, of_right, of_out),
        shape=(sizes["r"], sizes["c"]),
        summands=sizes["s"],
        tile=tile,
        conjugated=conjugated,
    )
    return pl.pallas_call(
        body,
        out_shape=[out, out],
        grid=(sizes["m"], cdiv(sizes["r"], tile.rows), cdiv(sizes["c"], tile.columns)),
        compiler_params=plt.CompilerParams(num_warps=min(4, tile.warps)),
        name=name,
    )(left, right)


def mode_product(x_real, x_imag, w_real, w_imag):
    x, w = (x_real, x_imag), (w_real, w_imag)
    return tuple(contraction("mode_product", x, w, "rms,msc->rmc"))


def mode_product_backward(x_real, x_imag, w_real, w_imag, dy_real, dy_imag):
    x, w, dy = (x_real, x_imag), (w_real, w_imag), (dy_real, dy_imag)
    dx = contraction("mode_product_dx", dy, w, "rms,mcs->rmc", conjugated="r")
    dw = contraction("mode_product_dw", x, dy, "smr,smc->mrc", conjugated="l")
    return *dx, *dw
