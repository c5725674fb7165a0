"""Masked softmax, a tile of rows in each program; float32 inside.

Forward: a pass for the largest allowed element, one for the sum of exponentials, one
for the result. The largest element is taken off before exp, so that nothing overflows;
of a row without allowed elements 0 is taken off, and its sum is called 1.

Backward: dx = y (dy - sum(dy y)).
"""

import jax.numpy as jnp

from torchlean_jax.pallas_kernels._rows import RowTiles, on_rows
from torchlean_jax.pallas_kernels.softmax._reference import LOWEST


class _Allowed:
    """The allowed elements of rows: the largest, and exponentials relative to it."""

    def __init__(self, tiles: RowTiles, x_ref, mask_ref):
        self.tiles, self.x_ref, self.mask_ref = tiles, x_ref, mask_ref
        rows = tiles.tile.rows

        def look(step, found):
            highest, some = found
            x, allowed = self.load(step)
            return (
                jnp.maximum(highest, jnp.where(allowed, x, LOWEST).max(axis=1)),
                jnp.maximum(some, allowed.astype(jnp.int32).max(axis=1)),
            )

        nothing = jnp.full(rows, LOWEST, jnp.float32), jnp.zeros(rows, jnp.int32)
        highest, some = tiles.fold(look, nothing)
        self.some = some[:, None] > 0
        self.highest = jnp.where(self.some, highest[:, None], 0.0)

    def load(self, step):
        """(elements, which are allowed); what is not allowed is 0."""
        allowed = self.tiles.load(self.mask_ref, step) != 0
        return jnp.where(allowed, self.tiles.load(self.x_ref, step), 0.0), allowed

    def weights(self, step):
        x, allowed = self.load(step)
        shifted = jnp.where(allowed, x - self.highest, 0.0)
        return jnp.where(allowed, jnp.exp(shifted), 0.0)


def _forward(tiles, x_ref, mask_ref, y_ref):
    allowed = _Allowed(tiles, x_ref, mask_ref)
    total = jnp.where(allowed.some, tiles.sum(allowed.weights), 1.0)
    tiles.each(lambda step: tiles.store(y_ref, step, allowed.weights(step) / total))


def _backward(tiles, y_ref, dy_ref, dx_ref):
    def product(step):
        return tiles.load(y_ref, step) * tiles.load(dy_ref, step)

    shared = tiles.sum(product)

    def write(step):
        y, dy = tiles.load(y_ref, step), tiles.load(dy_ref, step)
        tiles.store(dx_ref, step, y * (dy - shared))

    tiles.each(write)


def softmax(x, mask):
    if not x.size:
        return x
    (y,) = on_rows("softmax", _forward, [x, mask], arrays=2)
    return y


def softmax_backward(y, dy):
    if not y.size:
        return y
    (dx,) = on_rows("softmax_backward", _backward, [y, dy], arrays=2)
    return dx
