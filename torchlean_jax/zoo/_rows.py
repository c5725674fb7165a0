"""Products with a kernel, in the order in which XLA computes their gradients fast."""

import jax


def by_rows(f, x):
    """`f` of all vectors of x [..., width] as the rows of one matrix.

    The gradient of a kernel is then one product of two matrices; with more axes XLA
    copies both of its operands into another order first, on CPU a quarter of a step.
    """
    rows = f(x.reshape(-1, x.shape[-1]))
    return rows.reshape(*x.shape[:-1], -1)


def narrowed(x, kernel):
    """`x @ kernel` where the result has fewer columns than x.

    XLA takes twice as long for the gradient of such a kernel as for that of the
    transposed one, and behind a barrier it does not see that they are the same.
    """
    return x @ jax.lax.optimization_barrier(kernel.T).T
