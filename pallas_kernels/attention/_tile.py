"""The tiles of attention: how many queries and keys a program holds at once.

A product on a GPU's matrix units takes at least 16 x 16 x 16, so tiles and the padded
head dimension are powers of two from 16. The arithmetic: a program of the forward
kernel holds its queries and its sum, `queries` x head_dim elements each, streams keys
and values, `keys` x head_dim each, and scores, `queries` x `keys`. With at most 8,192
elements in each of them and four bytes an element that is 5 x 32 KiB, of which the two
streamed ones are in shared memory (64 KiB, of the 164 KiB of an A100) and the
others in registers: 96 KiB of 256 KiB, two programs for each multiprocessor.

A short sequence is cut into four tiles, so that there are programs to run; from 256
elements on tiles have 64.
"""

from dataclasses import dataclass

from torchlean_jax.pallas_kernels._tiles import power_of_two

LEAST = 16
MOST = 64
MOST_ELEMENTS = 8192


@dataclass(frozen=True)
class AttentionTile:
    """Powers of two: queries and keys in a tile, the padded head dimension."""

    queries: int
    keys: int
    dim: int

    @property
    def warps(self) -> int:
        """A warp for each 16 rows of queries, at most eight."""
        return min(8, max(1, max(self.queries, self.keys) // 16))


def attention_tile(queries: int, keys: int, dim: int) -> AttentionTile:
    dim = max(LEAST, power_of_two(dim))
    most = max(LEAST, min(MOST, MOST_ELEMENTS // dim))
    return AttentionTile(_length(queries, most), _length(keys, most), dim)


def _length(n: int, most: int) -> int:
    return min(most, max(LEAST, power_of_two(n) // 4))
