"""Products of two values that both depend on the inputs, by McCormick's planes.

(x - l)(y - m) >= 0 where l, m are lower bounds of x and y, and likewise at the other
three corners of the box: x y >= m x + l y - l m and x y >= M x + L y - L M; the reverse
at the mixed corners. A mixture of two valid planes is valid; the free parameter in [0,
1] is the weight of the first, 1/2 by default.

Source: McCormick 1976, Mathematical Programming 10.
"""

import itertools

from torchlean_check._graph import operation
from torchlean_check._operands import linear, move
from torchlean_check._relax import SLOPE_BITS, Elementwise, Lines
from torchlean_check._tensor import aligned, product


class Product(Elementwise):
    has_slopes = True

    def forward(self, boxes):
        return product(*boxes)

    def lines(self, boxes, slopes):
        x, y = aligned(boxes)
        bits = SLOPE_BITS if slopes else 1
        one = 1 << bits
        columns = [[] for _ in range(6)]
        for k, (a, b, c, d) in enumerate(zip(x.lo, x.hi, y.lo, y.hi, strict=True)):
            t = slopes[k] if slopes else 1
            s = one - t
            line = (
                *(t * c + s * d, t * a + s * b, -(t * a * c + s * b * d)),
                *(t * d + s * c, t * a + s * b, -(t * a * d + s * b * c)),
            )
            for column, number in zip(columns, line, strict=True):
                column.append(number)
        p, q, constant, r, s, other = columns
        exp = x.exp
        return Lines([p, q], constant, [r, s], other, exp - bits, 2 * exp - bits)


@operation("_product")
def _product(g, operands, shape):
    return g.emit(Product(), operands, operands[0].shape)


@operation("_sum_of_products")
def _sum_of_products(g, operands, shape, sides):
    """dot_general: the products of all pairs of entries that meet, and their sums."""
    (starts, frees, sums), (others, other_frees, other_sums) = sides
    lefts, rights = [], []
    for i, j in zip(starts, others, strict=True):
        for p, q in itertools.product(frees, other_frees):
            lefts += [i + p + s for s in sums]
            rights += [j + q + t for t in other_sums]
    x, y = operands
    flat = [move(g, [x], lefts, (len(lefts),)), move(g, [y], rights, (len(rights),))]
    each, n = _product(g, flat, ()), len(sums)
    ones = [[1] * n]
    count = len(lefts) // n
    blocks = [([k], range(k * n, (k + 1) * n), ones) for k in range(count)]
    return linear(g, each, blocks, 0, count, shape)
