"""max, min, clamp and abs: relatives of relu, by convexity.

max(x, c) = c + relu(x - c), and max(x, c * x) = c * x + relu((1 - c) * x). The chord of
|x| is rounded so that it stays above both ends; a line above a convex function at both
ends is above it between them.
"""

from torchlean_check._arithmetic import negative
from torchlean_check._errors import UnsupportedCertificate
from torchlean_check._graph import operation
from torchlean_check._linear import Scale
from torchlean_check._operands import add, common, floats, only, scale
from torchlean_check._relax import SLOPE_BITS, Elementwise, Lines, Relu
from torchlean_check._tensor import Tensor, aligned, negated, total


class Max(Elementwise):
    """max(x, y) = y + relu(x - y), the lines of relu over the interval of x - y."""

    has_slopes = True

    def undecided(self, boxes):
        x, y = aligned(boxes)
        ends = enumerate(zip(x.lo, x.hi, y.lo, y.hi, strict=True))
        open_ends = [k for k, (a, b, c, d) in ends if a < d and c < b]
        return [open_ends, open_ends]

    def forward(self, boxes):
        x, y = aligned(boxes)
        lo = list(map(max, x.lo, y.lo))
        both = x.exact and y.exact
        return Tensor(lo, lo if both else list(map(max, x.hi, y.hi)), x.exp)

    def lines(self, boxes, slopes):
        x, y = aligned(boxes)
        lo = [a - d for a, d in zip(x.lo, y.hi, strict=True)]
        hi = [b - c for b, c in zip(x.hi, y.lo, strict=True)]
        difference = Relu().lines([Tensor(lo, hi, x.exp)], slopes)
        one = 1 << SLOPE_BITS
        (p,), (q,) = difference.lower, difference.upper
        return difference._replace(
            lower=[p, [one - s for s in p]], upper=[q, [one - s for s in q]]
        )


def relu(g, x):
    floats([x])
    return g.emit(Relu(), [x], x.shape)


def _is_zero(x) -> bool:
    return x.known is not None and x.known.exact and not any(x.known.lo)


@operation("max")
def _max(g, operands, shape):
    """max(x, c) = c + relu(x - c), and max(x, c * x) = c * x + relu((1 - c) * x)."""
    x, y = only(operands, 2)
    if x.known is not None:
        x, y = y, x
    if _is_zero(y):
        (x, _), _ = common(g, [x, y])
        return relu(g, x)
    for one, two in ((x, y), (y, x)):  # leaky ReLU: two = c * one
        step = g.steps[two.id]
        if isinstance(step, Scale) and g.operands[two.id] == (one.id,):
            ones = [1] * one.size
            rest = total([Tensor(ones, ones, 0), negated(step.factor)])
            rest = g.constant(rest, one.shape, one.dtype)
            return add(g, two, relu(g, scale(g, one, rest)))
    (x, y), shape = common(g, [x, y])
    return g.emit(Max(), [x, y], shape)


@operation("min")
def _min(g, operands, shape):
    x, y = (negative(g, v) for v in only(operands, 2))
    return negative(g, _max(g, [x, y], shape))


@operation("clamp")
def _clamp(g, operands, shape):
    low, x, high = only(operands, 3)
    if low.known is None or high.known is None:
        raise UnsupportedCertificate("clamp between abstract values")
    return _min(g, [_max(g, [x, low], shape), high], shape)


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
    (x,) = only(operands, 1)
    floats([x])
    return g.emit(Abs(), [x], x.shape)
