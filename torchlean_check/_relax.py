"""Steps that are not linear: enclosures, and the linear functions around them.

Adding a function applied entry by entry means a subclass of `Elementwise` with
`forward(boxes) -> Tensor` and `lines(boxes, slopes) -> Lines`, where `slopes` (or None)
chooses free parameters and every choice gives valid lines. Here live the two piecewise
ones, `relu` and the maximum over windows.
"""

from typing import NamedTuple

from torchlean_check._tensor import Tensor, aligned

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


class WindowMax:
    """Entry k of the result is the largest of the operand's entries windows[k].

    Lower line: the entry with the largest lower bound. Upper line: that entry too, if
    its lower bound is at least the upper bound of every other; else the largest upper
    bound.
    """

    linear = False
    has_slopes = False

    def __init__(self, windows: list[list[int]], size_in: int):
        self.windows, self.size_in = windows, size_in

    def undecided(self, boxes):
        (x,) = boxes
        wanted = set()
        for window in self.windows:
            best = max(window, key=lambda j: (x.lo[j], x.hi[j]))
            rivals = [j for j in window if j != best and x.hi[j] > x.lo[best]]
            wanted.update([best, *rivals] if rivals else [])
        return [sorted(wanted)]

    def forward(self, boxes):
        (x,) = boxes
        lo = [max([x.lo[j] for j in window]) for window in self.windows]
        if x.exact:
            return Tensor(lo, lo, x.exp)
        return Tensor(lo, [max([x.hi[j] for j in w]) for w in self.windows], x.exp)

    def lines(self, boxes, slopes):
        """(entry of the lower line, constant of the upper line or None, unit)."""
        (x,) = boxes
        pick, ceiling = [], []
        for window in self.windows:
            best = max(window, key=lambda j: (x.lo[j], x.hi[j]))
            others = [x.hi[j] for j in window if j != best]
            decided = not others or x.lo[best] >= max(others)
            pick.append(best)
            ceiling.append(None if decided else max(*others, x.hi[best]))
        return pick, ceiling, x.exp

    def backward(self, rows, exp, boxes, bias, lines):
        pick, ceiling, unit = lines
        constants, moved = [], []
        for row in rows:
            result, constant = [0] * self.size_in, 0
            for a, source, top in zip(row, pick, ceiling, strict=True):
                if a > 0 or top is None:
                    result[source] += a
                elif a:
                    constant += a * top
            constants.append(constant)
            moved.append(result)
        bias.add(constants, exp + unit)
        yield 0, moved, exp
