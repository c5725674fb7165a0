"""Steps that are not linear: enclosures, and the linear functions around them.

Adding a function applied entry by entry means a subclass of `Elementwise` with
`forward(boxes) -> Tensor` and `lines(boxes, slopes) -> Lines`, where `slopes` (or None)
chooses free parameters and every choice gives valid lines. Here lives `relu`.
"""

from operator import mul, ne
from typing import NamedTuple

from torchlean_check._tensor import Tensor

SLOPE_BITS = 60


class Lines(NamedTuple):
    """lower <= f(x) <= upper for x in the box, entry by entry, each a linear function.

    Slopes (one list per operand) are in units of 2**slope_exp, constants of 2**exp.
    """

    lower: list[list[int]]
    lower_constant: list[int]
    upper: list[list[int]]
    upper_constant: list[int]
    slope_exp: int
    exp: int


class Elementwise:
    """f applied entry by entry to one or more operands of the same size."""

    linear = False
    has_slopes = False

    def undecided(self, boxes) -> list[list[int]]:
        """For each operand, the entries whose bounds are worth refining."""
        return [list(range(len(box.lo))) for box in boxes]

    def backward(self, forms, boxes, bias, lines: Lines):
        """A positive coefficient takes the lower line, a negative one the upper."""
        slopes = list(zip(lines.lower, lines.upper, strict=True))
        largest = max(max(*s, -min(s)) for pair in slopes for s in pair)
        bound = forms.bound * largest
        forms = forms.widened(bound)
        above, below = lines.lower_constant, lines.upper_constant
        turns = [map(ne, p, q) for p, q in [*slopes, (above, below)]]
        positive, constants = [0] * len(forms.columns), []
        for k, turning in enumerate(zip(*turns, strict=True)):
            a, c, d = forms.columns[k], above[k], below[k]
            if a and any(turning):
                positive[k] = forms.positive(a)
            if a and (c or d):
                constants += [(a, d), (positive[k], c - d)]
        numbers = [number for _, number in constants]
        bias.add(forms.dot(numbers, [a for a, _ in constants]), forms.exp + lines.exp)
        for position, (p, q) in enumerate(slopes):
            columns = list(map(mul, forms.columns, q))
            for k, a in enumerate(positive):
                if a and p[k] != q[k]:
                    columns[k] += (p[k] - q[k]) * a
            yield position, forms.like(columns, forms.exp + lines.slope_exp, bound)


class Relu(Elementwise):
    """max(x, 0).

    Upper line: the chord over [l, u], its slope rounded up; convexity makes any line
    that is at least 0 at l and at least u at u an upper one. Lower line: slope * x for
    any slope in [0, 1]; by default 1 if u >= -l, else 0.
    """

    has_slopes = True

    def undecided(self, boxes):
        (x,) = boxes
        return [
            [k for k, (a, b) in enumerate(zip(x.lo, x.hi, strict=True)) if a < 0 < b]
        ]

    def forward(self, boxes):
        (x,) = boxes
        lo = [max(a, 0) for a in x.lo]
        return Tensor(lo, lo if x.exact else [max(b, 0) for b in x.hi], x.exp)

    def lines(self, boxes, slopes):
        (x,) = boxes
        one = 1 << SLOPE_BITS
        lower, upper, constant = [], [], []
        for k, (a, b) in enumerate(zip(x.lo, x.hi, strict=True)):
            if a >= 0:
                p = q = one
                c = 0
            elif b <= 0:
                p = q = c = 0
            else:
                q = -((-b << SLOPE_BITS) // (b - a))
                c = -q * a
                p = slopes[k] if slopes else one * (b >= -a)
            lower.append(p)
            upper.append(q)
            constant.append(c)
        zeros = [0] * len(constant)
        return Lines([lower], zeros, [upper], constant, -SLOPE_BITS, x.exp - SLOPE_BITS)
