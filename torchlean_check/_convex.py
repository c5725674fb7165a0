"""Functions with exact relaxations by convexity: |x|, and x**n with n even.

Upper line: the chord (for |x| its slope may need rounding, done so that the line stays
above both ends; a line above a convex function at both ends is above it between them).
Lower line: a tangent, which a convex function never crosses.
"""

from torchlean_check._affine import _only
from torchlean_check._graph import floats, operation
from torchlean_check._relax import SLOPE_BITS, Elementwise, Lines
from torchlean_check._tensor import Tensor


class Abs(Elementwise):
    def undecided(self, boxes):
        (x,) = boxes
        return [
            [k for k, (a, b) in enumerate(zip(x.lo, x.hi, strict=True)) if a < 0 < b]
        ]

    def forward(self, boxes):
        (x,) = boxes
        lo = [max(a, -b, 0) for a, b in zip(x.lo, x.hi, strict=True)]
        if x.exact:
            return Tensor(lo, lo, x.exp)
        return Tensor(lo, [max(-a, b) for a, b in zip(x.lo, x.hi, strict=True)], x.exp)

    def lines(self, boxes, slopes):
        """Lower: x or -x, by the farther end. Upper: at least -l at l and u at u."""
        (x,) = boxes
        one = 1 << SLOPE_BITS
        lower, upper, constant = [], [], []
        for a, b in zip(x.lo, x.hi, strict=True):
            p = one if b > -a else -one
            q, c = p, 0
            if a < 0 < b:
                q = ((a + b) << SLOPE_BITS) // (b - a)
                c = max(-(a << SLOPE_BITS) - q * a, (b << SLOPE_BITS) - q * b)
            lower.append(p)
            upper.append(q)
            constant.append(c)
        zeros = [0] * len(constant)
        return Lines([lower], zeros, [upper], constant, -SLOPE_BITS, x.exp - SLOPE_BITS)


@operation("abs")
def _abs(g, operands, shape):
    (x,) = _only(operands, 1)
    floats([x])
    return g.emit(Abs(), [x], x.shape)
