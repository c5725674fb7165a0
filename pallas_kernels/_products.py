"""Products of matrices by tiles: operands in, float32 sums out.

A program owns one tile of the result and walks the axis that is summed, always in the
same order and with no other program's help, so that what it adds up depends on nothing
but the size of the tiles.
"""

from dataclasses import dataclass

import jax
import jax.numpy as jnp
from jax.experimental import pallas as pl
from jax.experimental.pallas import triton as plt

from torchlean_jax.pallas_kernels._blocks import blocks
from torchlean_jax.pallas_kernels._tiles import along, cdiv, power_of_two


@dataclass(frozen=True)
class ProductTile:
    """A tile of `rows` x `columns` sums, over `depth` terms at a time.

    The arithmetic: 64 x 64 float32 sums are 32 registers of each thread of 4 warps.
    A step of depth 32 brings in 2 * 64 * 32 elements, 16 KiB of shared memory in
    float32, and does 2 * 64 * 64 * 32 operations with them: 16 for each byte. Units for
    products want at least 16 along every axis; smaller operands are padded with zeros.
    """

    rows: int = 64
    columns: int = 64
    depth: int = 32
    warps: int = 4

    @classmethod
    def of(cls, rows: int, columns: int, depth: int) -> "ProductTile":
        """The tile for a product of these sizes."""
        within = lambda n, most: min(max(16, power_of_two(n)), most)  # noqa: E731
        sizes = blocks()
        return cls(
            within(rows, sizes.sums),
            within(columns, sizes.sums),
            within(depth, sizes.depth),
            sizes.warps,
        )


def load(ref, i, j):
    """The elements of a matrix at indices that broadcast; 0 beyond its end."""
    mask = (i < ref.shape[0]) & (j < ref.shape[1])
    return plt.load(ref.at[i, j], mask=mask, other=0)


def store(ref, i, j, value):
    mask = (i < ref.shape[0]) & (j < ref.shape[1])
    plt.store(ref.at[i, j], value.astype(ref.dtype), mask=mask)


def dot(a, b):
    """a @ b in float32: a product that states no precision would be TF32 on a GPU."""
    return jax.lax.dot(
        a,
        b,
        precision=jax.lax.Precision.HIGHEST,
        preferred_element_type=jnp.float32,
    )


def accumulate(left, right, depth: int, tile: ProductTile):
    """The sum of left(k) @ right(k) over tiles k of the indices 0 .. depth - 1."""

    def add(step, total):
        k = along(step * tile.depth, tile.depth)
        return total + dot(left(k), right(k))

    zero = jnp.zeros((tile.rows, tile.columns), jnp.float32)
    return jax.lax.fori_loop(0, cdiv(depth, tile.depth), add, zero)


def over_tiles(name, body, operands, tile: ProductTile, shape, results):
    """`body(i, j, *refs)` for every tile of a matrix of `shape`: i and j, its rows and
    columns. results: the shapes and dtypes of what it writes."""

    def program(*refs):
        i = along(pl.program_id(0) * tile.rows, tile.rows)
        j = along(pl.program_id(1) * tile.columns, tile.columns)
        body(i, j, *refs)

    return pl.pallas_call(
        program,
        out_shape=results,
        grid=(cdiv(shape[0], tile.rows), cdiv(shape[1], tile.columns)),
        compiler_params=plt.CompilerParams(num_warps=tile.warps, num_stages=2),
        name=name,
    )(*operands)
