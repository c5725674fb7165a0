"""Rotary position embedding, a tile of rows in each program; float32 inside.

One pass: a program loads the two elements of each pair, turns them by position times
frequency and writes them back. Its cosines are computed where they are needed; a table
of them would be as much to read as the rows.
"""

import functools

import jax.numpy as jnp

from torchlean_jax.pallas_kernels._rows import on_rows
from torchlean_jax.pallas_kernels.rope._reference import LAYOUTS, frequencies


def _turn(tiles, x_ref, position_ref, frequency_ref, y_ref, *, places, sign):
    stride, at_first, at_second = places
    position = tiles.load_column(position_ref).astype(jnp.float32)

    def write(step):
        first = tiles.load(x_ref, step, stride, at_first)
        second = tiles.load(x_ref, step, stride, at_second)
        turn = position * tiles.load_row(frequency_ref, step)
        cos, sin = jnp.cos(turn), sign * jnp.sin(turn)
        tiles.store(y_ref, step, first * cos - second * sin, stride, at_first)
        tiles.store(y_ref, step, first * sin + second * cos, stride, at_second)

    tiles.each(write)


def rope(x, positions, *, base, layout, sign=1.0):
    if not x.size:
        return x
    n = x.shape[-1]
    (y,) = on_rows(
        "rope" if sign > 0 else "rope_backward",
        functools.partial(_turn, places=LAYOUTS[layout](n), sign=sign),
        [x],
        columns=[positions],
        vectors=[jnp.asarray(frequencies(n, base))],
        width=n // 2,
        arrays=4,
    )
    return y
