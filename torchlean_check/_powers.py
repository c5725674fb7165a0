"""Powers: x**n, sqrt, rsqrt, 1/x, in integers with one rounding at the end."""

import math

from torchlean_check._errors import NotProved
from torchlean_check._exponential import ratio
from torchlean_check._graph import operation
from torchlean_check._operands import floats, only, require, scale
from torchlean_check._smooth import Curve, Smooth, smooth
from torchlean_check._tensor import Tensor


def rounded(m: int, by: int) -> tuple[int, int]:
    """m / 2**by, down and up."""
    return m >> by, -(-m >> by)


class Power(Curve):
    """x**n for n >= 2."""

    def __init__(self, n: int):
        self.n = n

    def value(self, x, p):
        return rounded(x**self.n, (self.n - 1) * p)

    def slope(self, x, p):
        return rounded(self.n * x ** (self.n - 1), (self.n - 2) * p)

    def extent(self, lo, hi, p):
        if self.n % 2:
            return super().extent(lo, hi, p)
        near = 0 if lo < 0 < hi else min(abs(lo), abs(hi))
        return self.value(near, p)[0], self.value(max(-lo, hi), p)[1]

    def sketch(self, x):
        return x**self.n, self.n * x ** (self.n - 1)

    def pieces(self, lo, hi, p):
        if self.n % 2 == 0:
            return [(lo, hi, 1)]
        if lo < 0 < hi:
            return [(lo, 0, -1), (0, hi, 1)]
        return [(lo, hi, -1 if lo < 0 else 1)]


class Sqrt(Curve):
    def value(self, x, p):
        if x < 0:
            raise NotProved("an operand of sqrt may be negative", "domain")
        return math.isqrt(x << p), math.isqrt((x << p) - 1) + 1 if x else 0

    def slope(self, x, p):
        if x == 0:
            raise NotProved("no tangent of sqrt at 0", "domain")
        half = 1 << (p - 1)
        return ratio((half, half), self.value(x, p), p)

    def pieces(self, lo, hi, p):
        return [(lo, hi, -1)]


class Rsqrt(Curve):
    direction = -1
    singular = 0

    def value(self, x, p):
        low, high = (1 << 3 * p) // x, -((-1 << 3 * p) // x)
        return math.isqrt(low), math.isqrt(high - 1) + 1

    def slope(self, x, p):
        """-y**3 / 2."""
        low, high = self.value(x, p)
        by = 2 * p + 1
        return -(high**3) >> by, -(low**3 >> by)

    def pieces(self, lo, hi, p):
        return [(lo, hi, 1)]


class Reciprocal(Curve):
    direction = -1
    singular = 0
    both_sides = True

    def value(self, x, p):
        one = 1 << 2 * p
        return one // x, -(-one // x)

    def slope(self, x, p):
        one = 1 << 3 * p
        return -one // (x * x), -(one // (x * x))

    def pieces(self, lo, hi, p):
        return [(lo, hi, 1 if lo > 0 else -1)]


def _power(g, x, n: int):
    if n == 0:
        ones = [1] * x.size
        return g.constant(Tensor(ones, ones, 0), x.shape, x.dtype)
    if n == 1:
        return scale(g, x, g.number(1))
    if n < 0:
        x = g.emit(Smooth(Reciprocal()), [x], x.shape)
        return _power(g, x, -n)
    return g.emit(Smooth(Power(n)), [x], x.shape)


@operation("integer_pow", y=int)
def _integer_pow(g, operands, shape, y):
    (x,) = only(operands, 1)
    floats([x])
    require(abs(y) <= 64, "powers beyond 64")
    return _power(g, x, y)


smooth("square", Power(2))
smooth("sqrt", Sqrt())
smooth("rsqrt", Rsqrt())
smooth("_reciprocal", Reciprocal())
