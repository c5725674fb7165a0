"""Whether every symmetric matrix within an interval matrix is positive definite.

Let A = M + E with |E| <= R entry by entry, and w > 0. Since |x_i x_k| is at most (w_k /
w_i x_i^2 + w_i / w_k x_k^2) / 2, x^T E x is at least -sum_i r_i x_i^2 with r_i = sum_k
R_ik w_k / w_i. So A is, if M - diag(r) is; that is decided by elimination in rationals.
Any w will do; the inverse roots of M's diagonal suit coordinates of unlike sizes.
"""

import math
from fractions import Fraction

Matrix = list[list[Fraction]]


def reduced(lo: Matrix, hi: Matrix) -> Matrix:
    """M - diag(r): no matrix within [lo, hi] is below it."""
    size = range(len(lo))
    middle = [[(lo[i][k] + hi[i][k]) / 2 for k in size] for i in size]
    weight = [inverse_root(middle[i][i]) for i in size]
    for i in size:
        middle[i][i] -= sum(
            (hi[i][k] - lo[i][k]) / 2 * weight[k] / weight[i] for k in size
        )
    return middle


def inverse_root(x: Fraction) -> Fraction:
    """About 1 / sqrt(x), to 16 bits; any positive number is allowed."""
    if x <= 0:
        return Fraction(1)
    scaled = Fraction(1 << 200) / x
    return Fraction(max(1, math.isqrt(int(scaled)) >> 84), 1 << 16)


def definite(matrix: Matrix) -> bool:
    """Whether a symmetric matrix is positive definite: all pivots are positive."""
    rows = [list(row) for row in matrix]
    for k in range(len(rows)):
        if rows[k][k] <= 0:
            return False
        for i in range(k + 1, len(rows)):
            factor = rows[i][k] / rows[k][k]
            rows[i] = [a - factor * b for a, b in zip(rows[i], rows[k], strict=True)]
    return True
