"""erf, sin and cos: enclosures from integer series.

pi = 16 atan(1/5) - 4 atan(1/239) (Machin). erf(x) is 2 / sqrt(pi) exp(-x**2) times the
sum of 2**n x**(2 n + 1) / (2 n + 1)!!, whose terms are positive; erfc(x) <= exp(-x**2)
for x >= 1 serves beyond 8. sin and cos are reduced to r in [0, pi/2], where their
Taylor terms alternate and fall.
"""

import functools
import math

from torchlean_check._exponential import GUARD, exp, ratio, times
from torchlean_check._powers import rounded
from torchlean_check._smooth import Curve, smooth


@functools.lru_cache(64)
def pi(p: int) -> tuple[int, int]:
    w = p + GUARD
    total, terms = 0, 0
    for factor, m in ((16, 5), (-4, 239)):
        power, n = (1 << w) // m, 1
        while power:
            total += factor * (power // n) * (1 if n % 4 == 1 else -1)
            power //= m * m
            n += 2
            terms += 1
    # A term errs by less than 1 in its power and 1 in its quotient, times at most 16;
    # what is left out when a power reaches 0 is less than one unit, also times 16.
    error = 32 * terms + 32
    return (total - error) >> GUARD, -(-(total + error) >> GUARD)


@functools.lru_cache(64)
def two_over_root_pi(p: int) -> tuple[int, int]:
    low, high = pi(p)
    roots = (math.isqrt(low << p), math.isqrt(high << p) + 1)
    return ratio((2 << p, 2 << p), roots, p)


def gauss(x: int, p: int) -> tuple[int, int]:
    """exp(-x**2)."""
    low, high = rounded(x * x, p)
    return exp(-high, p)[0], exp(-low, p)[1]


class Erf(Curve):
    lipschitz = 2

    def value(self, x, p):
        if x < 0:
            low, high = self.value(-x, p)
            return -high, -low
        if x > 8 << p:
            return (1 << p) - gauss(x, p)[1], 1 << p
        w = p + 4 * GUARD  # the series reaches exp(64) < 2**93
        x <<= w - p
        product = times(self._series(x, w), gauss(x, w), w)
        low, high = times(product, two_over_root_pi(w), w)
        return low >> (w - p), -(-high >> (w - p))

    def _series(self, x: int, w: int) -> tuple[int, int]:
        result = []
        for up in (0, 1):
            square = (2 * x * x >> w) + up
            term = total = x
            n = 1
            # Until the ratio of terms is below 1/2 and the term is a unit or none.
            while term > 1 or square >= (n + 2) << (w - 1):
                n += 2
                term = ((term * square) >> w) // n + 2 * up
                total += term
                if term <= 2 * up and square < (n + 2) << (w - 1):
                    break
            result.append(total + (2 * term + 2) * up)
        return result[0], result[1]

    def slope(self, x, p):
        return times(gauss(x, p), two_over_root_pi(p), p)

    def sketch(self, x):
        return math.erf(x), 2 / math.sqrt(math.pi) * math.exp(-x * x)

    def pieces(self, lo, hi, p):
        if lo < 0 < hi:
            return [(lo, 0, 1), (0, hi, -1)]
        return [(lo, hi, 1 if lo < 0 else -1)]


class Sine(Curve):
    """sin(x + quarters pi / 2)."""

    direction = 0

    def __init__(self, quarters: int):
        self.quarters = quarters

    def value(self, x, p):
        w = p + GUARD + max(0, abs(x).bit_length() - p)
        x <<= w - p
        low, high = pi(w)
        k = 2 * x // high
        ends = sorted((k * low, k * high))
        r, width = x - (ends[1] >> 1) - 1, (ends[1] - ends[0] >> 1) + 3
        quadrant = (k + self.quarters) % 4
        total, error = _taylor(max(r, 0), w, quadrant % 2)
        total = total if quadrant < 2 else -total
        error += width - min(r, 0)
        by = w - p
        low, high = (total - error) >> by, -(-(total + error) >> by)
        return max(low, -1 << p), min(high, 1 << p)

    def slope(self, x, p):
        return Sine(self.quarters + 1).value(x, p)

    def sketch(self, x):
        shift = self.quarters * math.pi / 2
        return math.sin(x + shift), math.cos(x + shift)

    def _marks(self, lo, hi, p, quarters):
        """(k, enclosure of k pi - quarters pi / 2) for all of these near [lo, hi]."""
        low, high = pi(p)
        first = lo // high + quarters // 2 - 1
        for k in range(first, first + 6 + (hi - lo) // low):
            ends = sorted(((2 * k - quarters) * low, (2 * k - quarters) * high))
            start, end = ends[0] >> 1, -(-ends[1] >> 1)
            if start <= hi and end >= lo:
                yield k, max(start, lo), min(end, hi)

    def extent(self, lo, hi, p):
        one = 1 << p
        if hi - lo > 7 * one:
            return -one, one
        ends = [self.value(lo, p), self.value(hi, p)]
        ends += [
            (one, one) if k % 2 else (-one, -one)
            for k, *_ in self._marks(lo, hi, p, self.quarters + 1)
        ]
        return min(a for a, _ in ends), max(b for _, b in ends)

    def pieces(self, lo, hi, p):
        """sin is concave where it is positive, on [k pi, (k + 1) pi] for even k."""
        if hi - lo > 7 << p:
            return [(lo, hi, 0)]
        result, start = [], lo
        for k, a, b in self._marks(lo, hi, p, self.quarters):
            if start < a:
                result.append((start, a, 1 if k % 2 == 0 else -1))
            result.append((a, b, 0))
            start = b
        if start < hi or not result:
            low, high = self.value((start + hi) // 2, p)
            result.append((start, hi, (high < 0) - (low > 0)))
        return result


def _taylor(r: int, w: int, cosine: int) -> tuple[int, int]:
    """(value, error) of sin or cos at r / 2**w in [0, 1.6].

    A term inherits at most 1.3 (then 0.3, then less) of the error of the one before,
    and adds at most 0.7 from the rounded square and 1 from its own rounding: below 3 in
    all.
    """
    square = r * r >> w
    term = 1 << w if cosine else r
    total, n, count = term, 0 if cosine else 1, 1
    while term:
        term = (term * square >> w) // ((n + 1) * (n + 2))
        total += term if count % 2 == 0 else -term
        n, count = n + 2, count + 1
    return total, 4 * count + 4


smooth("erf", Erf())
smooth("sin", Sine(0))
smooth("cos", Sine(1))
