"""Lines around smooth functions, from the curvature alone.

A `Curve` encloses f and f' at dyadic points and says where f is convex and where
concave. For any slope a, the largest f(x) - a x over [l, u] gives an upper line with
that slope:
  * where f is convex, so is f(x) - a x, and its largest value is at an end of the
  piece; * where f is concave, f(x) <= f(d) + f'(d) (x - d) for any point d of the
  piece, hence
    f(x) - a x <= f(d) - a d + (f'(d) - a) (x - d), whose last term is linear in x;
  * in the tiny gap that encloses an inflection with no dyadic name, by a Lipschitz
  bound.
Lower lines are upper lines of -f. Slopes and the points d are found with floats, as
hints: a bad hint makes a loose line, never a wrong one.

Source: Zhang et al. 2018 (arXiv:1811.00866), section 3, for the choice of lines.
"""

import math
from abc import ABC, abstractmethod

from torchlean_check._errors import NotProved, UnsupportedCertificate
from torchlean_check._graph import operation
from torchlean_check._operands import floats, only
from torchlean_check._relax import SLOPE_BITS, Elementwise, Lines
from torchlean_check._tensor import Tensor, shift, tidy

POINT_BITS = 96


class Curve(ABC):
    """f and f' as integers: x / 2**p -> enclosures of 2**p f and 2**p f'.

    direction: 1 increasing, -1 decreasing, else `extent` is overridden.
    singular: a point outside of the domain, which then lies above it, or on both sides.
    """

    direction = 1
    singular: int | None = None
    both_sides = False
    lipschitz = 1

    def extent(self, lo: int, hi: int, p: int) -> tuple[int, int]:
        """An enclosure of f over [lo, hi]."""
        first, last = (lo, hi) if self.direction > 0 else (hi, lo)
        return self.value(first, p)[0], self.value(last, p)[1]

    @abstractmethod
    def value(self, x: int, p: int) -> tuple[int, int]:
        """f(x)."""

    @abstractmethod
    def slope(self, x: int, p: int) -> tuple[int, int]:
        """f'(x)."""

    @abstractmethod
    def pieces(self, lo: int, hi: int, p: int) -> list[tuple[int, int, int]]:
        """(start, end, curvature) over [lo, hi]: 1 convex, -1 concave, 0 unknown."""

    def sketch(self, x: float) -> tuple[float, float]:
        """f and f' in floats; a curve with inflections has them."""
        raise ValueError(f"{type(self).__name__} has no inflections")


class Smooth(Elementwise):
    """A curve applied to every entry.

    Its free parameter in [0, 1] is the place in [l, u] where tangents touch, 1/2 by
    default (of all tangents to a convex function that one leaves the least area). Where
    the curve has an inflection, the place moves to where a tangent is a valid line.
    """

    has_slopes = True

    def __init__(self, curve: Curve):
        self.curve = curve

    def undecided(self, boxes):
        (x,) = boxes
        return [[k for k, (a, b) in enumerate(zip(x.lo, x.hi, strict=True)) if a < b]]

    def _grid(self, x: Tensor) -> tuple[list[tuple[int, int]], int]:
        """The intervals, rounded outward to multiples of 2**-p."""
        exp, singular = min(x.exp, 0), self.curve.singular
        numbers = [v << (x.exp - exp) for v in (*x.lo, *x.hi)]
        size = largest = max(map(abs, numbers))
        if singular is not None:
            at, n = singular << -exp, len(x.lo)
            for low, high in zip(numbers[:n], numbers[n:], strict=True):
                if low <= at and not (self.curve.both_sides and high < at):
                    raise NotProved(
                        f"an operand may be {singular}, or beyond", "domain"
                    )
            size = min(abs(v - at) for v in numbers)
        p = POINT_BITS + max(0, -exp - size.bit_length(), largest.bit_length() + exp)
        if p > 4096:
            raise UnsupportedCertificate("an operand is too large or too small")
        by = x.exp + p
        if by >= 0:
            return list(zip(shift(x.lo, by), shift(x.hi, by), strict=True)), p
        pairs = zip(x.lo, x.hi, strict=True)
        return [(a >> -by, -(-b >> -by)) for a, b in pairs], p

    def forward(self, boxes):
        grid, p = self._grid(boxes[0])
        ends = [self.curve.extent(lo, hi, p) for lo, hi in grid]
        return tidy([a for a, _ in ends], [b for _, b in ends], -p)

    def lines(self, boxes, slopes):
        grid, p = self._grid(boxes[0])
        widest = max(max(abs(lo), abs(hi)) for lo, hi in grid).bit_length()
        s = SLOPE_BITS + max(0, widest - p)
        half = [1 << (SLOPE_BITS - 1)] * len(grid)
        ends = [[], [], [], []]
        for (lo, hi), t in zip(grid, slopes or half, strict=True):
            line = self._pair(lo, hi, p, s, t)
            for column, number in zip(ends, line, strict=True):
                column.append(number)
        low, low_constant, high, high_constant = ends
        return Lines([low], low_constant, [high], high_constant, -s, -s - p)

    def _pair(self, lo: int, hi: int, p: int, s: int, t: int):
        """(lower slope, its constant, upper slope, its constant)."""
        f, pieces = self.curve, self.curve.pieces(lo, hi, p)
        bends = [(start, end, c) for start, end, c in pieces if c]
        if len(bends) not in (1, 2):
            low, high = f.extent(lo, hi, p)
            return 0, low << s, 0, high << s
        result = []
        for upper in (False, True):
            sign = -1 if upper else 1  # a lower line touches where f is convex
            touching = [k for k, (*_, c) in enumerate(bends) if c == sign]
            touch, tangent = lo, lo == hi
            place = lo + ((hi - lo) * t >> SLOPE_BITS)
            if len(bends) == 1 and touching:
                touch, tangent = place, True
            elif len(bends) == 2:
                touch = self._tangent(bends, touching[0], place, p)
                tangent = tangent or lo < touch < hi
            if tangent:
                a = sum(f.slope(touch, p)) >> (p + 1 - s)
            else:
                rise = sum(f.value(hi, p)) - sum(f.value(lo, p))
                a = (rise << s) // (2 * (hi - lo))
            result += [a, self._constant(pieces, a, touch, p, s, upper)]
        return tuple(result)

    def _tangent(self, bends, touching: int, place: int, p: int) -> int:
        """Where a line touches the bend that it can touch, as found in floats.

        At `place` if the tangent there passes the far end on the right side, else where
        it meets the far end; at the near end if there is no such point.
        """
        near, far = bends[touching][touching], bends[1 - touching][1 - touching]
        bend = bends[touching][1 - touching]
        try:
            x = far / (1 << p)
            fx = self.curve.sketch(x)[0]

            def excess(d):
                fd, slope = self.curve.sketch(d)
                return (slope - (fd - fx) / (d - x)) * sign

            sign, inside, outside = 1, bend / (1 << p), near / (1 << p)
            sign = math.copysign(1, excess(inside))
            if abs(place - near) < abs(bend - near) and excess(place / (1 << p)) <= 0:
                return place
            if excess(outside) >= 0:
                return near
            for _ in range(52):
                d = (inside + outside) / 2
                if excess(d) >= 0:
                    inside = d
                else:
                    outside = d
            top, bottom = outside.as_integer_ratio()
            return min(max((top << p) // bottom, min(near, bend)), max(near, bend))
        except (OverflowError, ValueError, ZeroDivisionError):
            return near

    def _constant(self, pieces, a: int, touch: int, p: int, s: int, upper: bool) -> int:
        """The b for which a x + b bounds f from above or below, times 2**(s + p)."""
        sign = 1 if upper else -1
        slope = sign * a
        candidates = []

        def over(x):  # at least 2**(s + p) (g(x) - slope x), where g = f or -f
            low, high = self.curve.value(x, p)
            return ((high if upper else -low) << s) - slope * x

        for start, end, curvature in pieces:
            curvature *= sign
            if curvature > 0:
                candidates += [over(start), over(end)]
            elif curvature < 0:
                d = min(max(touch, start), end)
                low, high = self.curve.slope(d, p)
                rises = (
                    sign * low - (slope << (p - s)),
                    sign * high - (slope << (p - s)),
                )
                most = max(r * (x - d) for r in rises for x in (start, end))
                candidates.append(over(d) - (-most >> (p - s)))
            else:
                steepest = (self.curve.lipschitz << s) + abs(slope)
                candidates.append(over(start) + steepest * (end - start))
        return sign * max(candidates)


def smooth(name: str, curve: Curve) -> None:
    """Register a curve as an operation of one operand without parameters."""
    step = Smooth(curve)

    @operation(name)
    def _lower(g, operands, shape):
        (x,) = only(operands, 1)
        floats([x])
        return g.emit(step, [x], x.shape)
