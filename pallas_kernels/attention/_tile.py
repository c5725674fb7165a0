"""The tiles of attention: how many queries and keys a program holds at once.

A product on a GPU's matrix units takes at least 16 x 16 x 16, so tiles and the padded
head dimension are powers of two from 16. The arithmetic: a program of the forward
kernel holds its queries and its sum, `queries` x head_dim elements each, streams keys
and values, `keys` x head_dim each, and scores, `queries` x `keys`. What it holds has at
most 8,192 elements, 32 in each of the 256 threads of eight warps, and what it streams
half as many. `torchlean kernels compile attention` says what comes of it: at head_dim
128 in bfloat16 64 x 64 elements in four warps spilled 424 bytes a thread, and 1,424 in
the backward kernel over keys; 64 x 32 in eight spill none and 56.

A short sequence is cut into four tiles, so that there are programs to run; from 256
elements on tiles have 64.
"""

from dataclasses import dataclass

from torchlean_jax.pallas_kernels._blocks import blocks
from torchlean_jax.pallas_kernels._tiles import power_of_two

LEAST = 16


@dataclass(frozen=True)
class AttentionTile:
    """Powers of two: queries and keys in a tile, the padded head dimension."""

    queries: int
    keys: int
    dim: int

    @property
    def warps(self) -> int:
        """A warp for each 1,024 elements of a sum or of scores, at most eight."""
        longer, shorter = max(self.queries, self.keys), min(self.queries, self.keys)
        return min(8, max(1, longer * max(shorter, self.dim) // 1024))


def attention_tile(queries: int, keys: int, dim: int) -> AttentionTile:
    dim = max(LEAST, power_of_two(dim))
    sizes = blocks()
    held, streamed = (
        max(LEAST, min(sizes.side, elements // dim))
        for elements in (sizes.kept, sizes.kept // 2)
    )
    return AttentionTile(_length(queries, held), _length(keys, streamed), dim)


def _length(n: int, most: int) -> int:
    return min(most, max(LEAST, power_of_two(n) // 4))
