"""What the programs of all kernels of attention load, and the scores of a tile.

A program works on some queries (`rows`) and keys (`columns`) of one head. What of a
tile lies beyond an array is read as 0; which pairs count is decided by numbers of
places, so that no result depends on what was read there.
"""

from dataclasses import dataclass
from typing import Any

import jax.numpy as jnp
from jax import lax
from jax.experimental.pallas import triton as plt

from torchlean_jax.pallas_kernels._tiles import along
from torchlean_jax.pallas_kernels.attention._tile import AttentionTile


@dataclass(frozen=True)
class Operands:
    """References to the operands of attention; without mask or bias, None."""

    q: Any
    k: Any
    v: Any
    limits: Any
    mask: Any
    bias: Any
    tile: AttentionTile
    scale: float

    @property
    def heads(self) -> int:
        return self.q.shape[2]

    @property
    def group(self) -> int:
        """How many heads of q a head of k and v serves."""
        return self.q.shape[2] // self.k.shape[2]

    def rows(self, step):
        return along(step * self.tile.queries, self.tile.queries)

    def columns(self, step):
        return along(step * self.tile.keys, self.tile.keys)

    def load(self, ref, batch, places, head):
        """[places, head_dim], of an array in the layout of q."""
        place, inside = self._at(ref, batch, places, head)
        return plt.load(place, mask=inside, other=0.0)

    def store(self, ref, batch, places, head, value):
        place, inside = self._at(ref, batch, places, head)
        plt.store(place, value.astype(ref.dtype), mask=inside)

    def _at(self, ref, batch, places, head):
        _, length, _, width = ref.shape
        dims = jnp.arange(self.tile.dim)
        inside = (places < length)[:, None] & (dims < width)[None, :]
        return ref.at[batch, places[:, None], head, dims[None, :]], inside

    def load_row(self, ref, batch, places, head):
        """[places], of an array [batch, heads, length]."""
        return plt.load(
            ref.at[batch, head, places], mask=places < ref.shape[2], other=0.0
        )

    def store_row(self, ref, batch, places, head, value):
        plt.store(ref.at[batch, head, places], value, mask=places < ref.shape[2])

    def _pairs(self, ref, batch, head, rows, columns, other):
        """[rows, columns], of an array in which any axis may have one element."""
        batches, heads, length, width = ref.shape
        batch, head = batch if batches > 1 else 0, head if heads > 1 else 0
        rows = rows if length > 1 else jnp.zeros_like(rows)
        columns = columns if width > 1 else jnp.zeros_like(columns)
        inside = (rows < length)[:, None] & (columns < width)[None, :]
        place = ref.at[batch, head, rows[:, None], columns[None, :]]
        return plt.load(place, mask=inside, other=other)

    # which keys a query may look at ------------------------------------------------

    def key_steps(self, batch, step):
        """The first tile of keys that this tile of queries may look at, and the one
        after the last."""
        many, first, last = self._limits(batch, 1, 2, 3)
        start, size = step * self.tile.queries, self.tile.queries
        end = jnp.minimum(many, start + size + last)
        return _floor(start + first, self.tile.keys), _ceil(end, self.tile.keys)

    def query_steps(self, batch, step):
        """The same for the tiles of queries that may look at this tile of keys."""
        many, first, last = self._limits(batch, 0, 2, 3)
        start, size = step * self.tile.keys, self.tile.keys
        end = jnp.minimum(many, start + size - first)
        return _floor(start - last, self.tile.queries), _ceil(end, self.tile.queries)

    def _limits(self, batch, *which):
        return tuple(self.limits[batch, n] for n in which)

    def _within(self, batch, rows, columns):
        queries, keys, first, last = self._limits(batch, 0, 1, 2, 3)
        place = columns[None, :] - rows[:, None]
        within = (rows < queries)[:, None] & (columns < keys)[None, :]
        return within & (place >= first) & (place <= last)

    def scores(self, batch, head, rows, columns, q, k):
        """(scores of a tile, which pairs are allowed); 0 for those that are not."""
        allowed = self._within(batch, rows, columns)
        scores = self.scale * dot_rows(q, k)
        if self.mask is not None:
            allowed &= self._pairs(self.mask, batch, head, rows, columns, 0) != 0
        if self.bias is not None:
            bias = self._pairs(self.bias, batch, head, rows, columns, 0.0)
            wide = bias.astype(jnp.float32)
            allowed &= wide > -jnp.inf
            scores += wide
        return jnp.where(allowed, scores, 0.0), allowed


def _floor(places, size: int):
    return lax.div(jnp.maximum(places, 0), jnp.int32(size))


def _ceil(places, size: int):
    return _floor(places + (size - 1), size)


def dot_rows(x, y):
    """x yᵀ in float32."""
    return _dot(x, y, 1, 1)


def weighted(weights, x, allowed):
    """weights [i, j] times x [j, d] for the pairs that are allowed, as the formula."""
    finite = jnp.isfinite(x)
    product = _dot(weights.astype(x.dtype), jnp.where(finite, x, 0), 1, 0)
    rest = jnp.where(finite, 0, x).astype(jnp.float32).sum(axis=1)
    around = jnp.where(allowed, rest[None, :], 0.0).sum(axis=1)
    return product + around[:, None]


def weighted_down(weights, x, allowed):
    """The same with weights and pairs given as [j, i]."""
    finite = jnp.isfinite(x)
    product = _dot(weights.astype(x.dtype), jnp.where(finite, x, 0), 0, 0)
    rest = jnp.where(finite, 0, x).astype(jnp.float32).sum(axis=1)
    around = jnp.where(allowed, rest[:, None], 0.0).sum(axis=0)
    return product + around[:, None]


def _dot(x, y, axis_x: int, axis_y: int):
    """A product over one axis of each; without a precision a GPU would take TF32."""
    return lax.dot_general(
        x,
        y,
        (((axis_x,), (axis_y,)), ((), ())),
        precision=lax.Precision.HIGHEST,
        preferred_element_type=jnp.float32,
    )
