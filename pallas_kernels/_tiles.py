"""Which part of an array one program of a kernel takes, and with how many warps.

A tile lives in the registers of one program. Triton wants powers of two; what of a tile
lies beyond the array is masked. The arithmetic: a streaming kernel is bound by memory,
so a tile should be a few KiB of contiguous rows (each warp then moves whole 128-byte
lines), and small enough that eight programs fit on a multiprocessor of 65,536
registers: all arrays that a program holds have at most 8,192 elements together, the
`held` of `_blocks`; the vectors that all rows share come on top, one row each.
"""

from dataclasses import dataclass

import jax.numpy as jnp

from torchlean_jax.pallas_kernels._blocks import blocks

FEW_ELEMENTS = 2048


@dataclass(frozen=True)
class Tile:
    """`rows` x `columns` elements, both powers of two, moved by `warps` warps."""

    rows: int
    columns: int

    @property
    def warps(self) -> int:
        return min(16, max(1, self.rows * self.columns // blocks().per_warp))


def row_tile(rows: int, columns: int, arrays: int = 1) -> Tile:
    """A tile for work on whole rows, of which `arrays` arrays are held at once.

    A longer row is walked in pieces. Each pass of a kernel over a row loads it anew;
    what was loaded before may still be in a cache.
    """
    most = blocks().held // power_of_two(arrays)
    across = min(power_of_two(columns), most)
    down = min(power_of_two(rows), max(1, FEW_ELEMENTS // across))
    return Tile(down, across)


# About one for each multiprocessor (an A100 has 108, an H100 132).
FEWEST_PROGRAMS = 128


def programs_in_turn(tiles: int) -> int:
    """Into how many programs these tiles go where tiles of one program share what it
    keeps: vectors of weights are then asked for by programs and not by tiles.

    After 8 turns a vector is an eighth of what a tile of one row asks for; an array of
    few tiles should rather keep all multiprocessors busy.
    """
    return min(tiles, max(FEWEST_PROGRAMS, cdiv(tiles, blocks().turns)))


def power_of_two(n: int) -> int:
    """The least power of two that is at least `n`."""
    return 1 << max(0, n - 1).bit_length()


def cdiv(n: int, d: int) -> int:
    """n / d, rounded up."""
    return -(-n // d)


def along(start, length: int):
    """The indices start, start + 1, ... of a tile."""
    return start + jnp.arange(length)
