"""The same bits on every run, and, where that is promised, in every batch.

On one machine a kernel is a fixed order of operations if no two of its programs touch
one element (the clause of memory) and none of them uses an atomic operation (which
`unrolled` refuses). What is left to look at are the bits of rows in batches.
"""

import jax
import numpy as np

from torchlean_jax.contracts._arguments import floats, of_floats

# Around the sizes at which a CPU or GPU changes its tiles, up to 64.
SIZES = (1, 2, 3, 4, 5, 7, 8, 12, 15, 16, 17, 24, 31, 32, 33, 48, 63, 64)


def rows_keep_their_bits(f, args, axis: int) -> tuple[bool, str]:
    """The rows of every result of `f`, compiled, have the same bits in each batch that
    begins with them as in the whole one; `axis` is that of rows."""

    def run(args):
        compiled = jax.jit(of_floats(f, args))
        return jax.tree.leaves(compiled(*floats(args)))

    rows = args[0].shape[axis]
    whole = [np.asarray(y) for y in run(args)]
    sizes = [n for n in SIZES if n < rows]

    def has_rows(x):
        return x.ndim > axis and x.shape[axis] == rows

    for count in sizes:
        cut = [
            jax.lax.slice_in_dim(x, 0, count, axis=axis) if has_rows(x) else x
            for x in args
        ]
        for a, b in zip(run(cut), whole, strict=True):
            parts = [np.take(np.asarray(y), range(count), axis) for y in (a, b)]
            if parts[0].tobytes() != parts[1].tobytes():
                return (
                    False,
                    f"rows in a batch of {count} have other bits than of {rows}",
                )
    return True, f"rows have the same bits in batches of {[*sizes, rows]}"
