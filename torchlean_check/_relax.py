"""Steps that are not linear: enclosures, and the linear functions around them.

Adding a function applied entry by entry means a subclass of `Elementwise` with
`forward(boxes) -> Tensor` and `lines(boxes, slopes) -> Lines`, where `slopes` (or None)
chooses free parameters and every choice gives valid lines. Here lives `relu`.
"""

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

    def backward(self, rows, exp, boxes, bias, lines: Lines):
        """A positive coefficient takes the lower line, a negative one the upper."""
        above, below = lines.lower_constant, lines.upper_constant
        constants = [
            sum(
                [
                    a * (c if a > 0 else d)
                    for a, c, d in zip(row, above, below, strict=True)
                    if a
                ]
            )
            for row in rows
        ]
        bias.add(constants, exp + lines.exp)
        for position, (lower, upper) in enumerate(
            zip(lines.lower, lines.upper, strict=True)
        ):
            yield (
                position,
                [
                    [
                        a * (p if a > 0 else q)
                        for a, p, q in zip(row, lower, upper, strict=True)
                    ]
                    for row in rows
                ],
                exp + lines.slope_exp,
            )


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
