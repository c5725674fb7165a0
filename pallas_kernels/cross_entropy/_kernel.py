"""Softmax cross-entropy, a tile of rows in each program; float32 inside.

Forward: one pass over the vocabulary, with the largest logit so far and the sum of
exponentials relative to it; where a tile raises the largest, the sum is scaled to the
new one (Milakov and Gimelshein 2018, arXiv:1805.02867, algorithm 3). Nothing of the
size of the logits is written. Backward: one pass, from the logsumexp that the forward
kernel left: dx = dy (exp(x - logsumexp) (1 + 2 z logsumexp) - [label]).
"""

import functools

import jax.numpy as jnp

from torchlean_jax.pallas_kernels._rows import RowTiles, on_rows
from torchlean_jax.pallas_kernels.cross_entropy._reference import LOWEST


def _sums(tiles: RowTiles, x_ref, label):
    """The largest logit, exponentials relative to it summed, and the label's logit."""

    def look(step, found):
        highest, total, picked = found
        columns, inside = tiles.at(step)
        x = tiles.load(x_ref, step)
        known = jnp.where(inside, x, LOWEST)
        higher = jnp.maximum(highest, known.max(axis=1, keepdims=True))
        shifted = jnp.where(inside, x - higher, 0.0)
        weights = jnp.where(inside, jnp.exp(shifted), 0.0).sum(axis=1, keepdims=True)
        its = jnp.where(inside & (columns[None, :] == label), x, 0.0)
        return (
            higher,
            total * jnp.exp(highest - higher) + weights,
            picked + its.sum(axis=1, keepdims=True),
        )

    zero = jnp.zeros((tiles.tile.rows, 1), jnp.float32)
    return tiles.fold(look, (jnp.full_like(zero, LOWEST), zero, zero))


def _forward(tiles, x_ref, label_ref, loss_ref, level_ref, *, ignore, z):
    label = tiles.load_column(label_ref)
    highest, total, picked = _sums(tiles, x_ref, label)
    # the rows of a tile that lie beyond the array have no elements
    level = jnp.log(jnp.where(tiles.real[:, None], total, 1.0)) + highest
    loss = level - picked
    if z:  # 0 times the square of a huge level would not be 0
        loss = loss + z * (level * level)
    known = (label >= 0) & (label < tiles.width)
    loss = jnp.where(known, loss, jnp.inf)
    tiles.store_column(loss_ref, jnp.where(label == ignore, 0.0, loss))
    tiles.store_column(level_ref, level)


def _backward(tiles, x_ref, label_ref, level_ref, dy_ref, dx_ref, *, ignore, z):
    label = tiles.load_column(label_ref)
    level, dy = tiles.load_column(level_ref), tiles.load_column(dy_ref)
    weight = 1.0 + 2.0 * z * level

    def write(step):
        columns, _ = tiles.at(step)
        shares = jnp.exp(tiles.load(x_ref, step) - level) * weight
        dx = dy * (shares - jnp.where(columns[None, :] == label, 1.0, 0.0))
        tiles.store(dx_ref, step, jnp.where(label == ignore, 0.0, dx))

    tiles.each(write)


def cross_entropy(x, labels, *, ignore, z):
    if not x.size:
        return (jnp.zeros(labels.shape, jnp.float32),) * 2
    body = functools.partial(_forward, ignore=ignore, z=z)
    results = ("column", "column")
    loss, level = on_rows(
        "cross_entropy", body, [x], columns=[labels], results=results, arrays=2
    )
    return loss, level


def cross_entropy_backward(x, labels, level, dy, *, ignore, z):
    if not x.size:
        return x
    body = functools.partial(_backward, ignore=ignore, z=z)
    columns = [labels, level, dy]
    (dx,) = on_rows("cross_entropy_backward", body, [x], columns=columns, arrays=2)
    return dx
