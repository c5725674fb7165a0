"""The same bits on every run, and, where that is promised, in every batch.

On one machine a kernel is a fixed order of operations if no two of its programs touch
one element (the clause of memory) and none of them uses an atomic operation (which
`unrolled` refuses). What is left to look at are the bits of rows in batches.
"""

import jax
import jax.numpy as jnp
import numpy as np

from torchlean_jax.contracts._arguments import floats, of_floats
from torchlean_jax.interpreters._kernel_call import unrolled
from torchlean_jax.pallas_kernels._terms import Program


def rows_keep_their_bits(program: Program, args, axis: int) -> tuple[bool, str]:
    """The first row of every result has the same bits alone, and in the whole batch."""

    def run(args):
        kernel = jax.jit(of_floats(unrolled(program.kernel), args))
        return jax.tree.leaves(kernel(*floats(args)))

    whole = run(args)
    rows = args[0].shape[axis]
    for count in sorted({1, 2, 3, rows // 2, rows} & set(range(1, rows + 1))):
        cut = tuple(
            jax.lax.slice_in_dim(x, 0, count, axis=axis)
            if x.ndim > axis and x.shape[axis] == rows
            else x
            for x in args
        )
        for a, b in zip(run(cut), whole, strict=True):
            first = [np.asarray(jnp.take(y, 0, axis=axis)) for y in (a, b)]
            if first[0].tobytes() != first[1].tobytes():
                return (
                    False,
                    f"row 0 in a batch of {count} has other bits than of {rows}",
                )
    return True, f"row 0 has the same bits in batches of 1 to {rows}"
