"""Interval rules for triangular systems, and why factorisations have none."""

import jax.numpy as jnp

from torchlean_jax.domains.interval._arithmetic import add, div, mul, negate
from torchlean_jax.domains.interval._kinds import rule_for
from torchlean_jax.domains.interval._value import Interval, rules

rules.refuse(
    "cholesky",
    because="an interval matrix can hold matrices that are not positive definite",
)
rules.refuse(
    "lu",
    "lu_pivots_to_permutation",
    because="the factors jump where two candidates for a pivot are equal",
)
rules.refuse(
    "qr",
    "geqrf",
    "householder_product",
    because="the factors of an interval matrix are unbounded near a rank-deficient one",
)
rules.refuse(
    "eigh", "eig", because="eigenvectors have no enclosure near a repeated eigenvalue"
)
rules.refuse(
    "svd", because="singular vectors have no enclosure near a repeated singular value"
)


@rule_for("float", "triangular_solve")
def _triangular_solve(
    a, b, *, left_side, lower, transpose_a, conjugate_a, unit_diagonal
):
    """Forward substitution, one row of unknowns at a time (`conjugate_a` is idle on
    reals).

    It contains every solution, but its width grows with the size of the system.
    """
    if transpose_a:
        a, lower = _transposed(a), not lower
    if not left_side:  # x a = b is a' x' = b'
        a, b, lower = _transposed(a), _transposed(b), not lower
    n = a.shape[-1]
    rows = range(n) if lower else reversed(range(n))
    solved = {}
    for i in rows:
        rest = b[..., i, :]
        for j, x in solved.items():
            rest = add(rest, negate(mul(a[..., i, j, None], x)))
        solved[i] = rest if unit_diagonal else div(rest, a[..., i, i, None])
    lo = jnp.stack([solved[i].lo for i in range(n)], axis=-2)
    hi = jnp.stack([solved[i].hi for i in range(n)], axis=-2)
    x = Interval(lo, hi)
    return x if left_side else _transposed(x)


def _transposed(x):
    return Interval(jnp.swapaxes(x.lo, -1, -2), jnp.swapaxes(x.hi, -1, -2))
