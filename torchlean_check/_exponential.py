"""exp, expm1, logistic, tanh, log, log1p, softplus: enclosures from integer series.

exp(x) = 2**k exp(r) with r = x - k ln 2 in [0, 2): the Taylor terms are positive,
rounded down for the lower sum and up for the upper one, and the tail after a term t
with index n > 2 is at most 2 t (ratios below 1/2). log(y) = k ln 2 + 2 atanh(z), z = (m
- 1) / (m + 1) with m in [1, 2): positive terms of ratio at most z**2 <= 1/9, so the
tail is at most the last term.
"""

import functools
import math

from torchlean_check._errors import UnsupportedCertificate
from torchlean_check._smooth import Curve, smooth

GUARD = 32
LARGEST = 10_000  # of exp; beyond 2**14427


@functools.lru_cache(64)
def ln2(p: int) -> tuple[int, int]:
    """ln 2 = sum of 1 / (n 2**n); each of p terms is rounded down by less than 1."""
    low = sum((1 << (p - n)) // n for n in range(1, p + 1))
    return low, low + p + 1  # the terms beyond n = p add up to less than 2**-p


def exp(x: int, p: int) -> tuple[int, int]:
    """2**p exp(x / 2**p), enclosed."""
    if x >> p > LARGEST:
        raise UnsupportedCertificate(f"exp of a number beyond {LARGEST}")
    if -x >> p > LARGEST:
        return 0, 1 if p < LARGEST else 1 << (p - LARGEST)
    w = p + GUARD
    k = (x << GUARD) // ln2(w)[1] - (x < 0)  # so that 0 <= r < 2, roundings included
    w += max(k, 0)
    x <<= w - p
    low, high = (k * c for c in (ln2(w) if k < 0 else ln2(w)[::-1]))
    a, b = _series(x - low, w, False), _series(x - high, w, True)
    by = w - p - k
    return a >> by, -(-b >> by)


def _series(r: int, w: int, up: bool) -> int:
    """exp(r / 2**w) for 0 <= r < 2**(w + 1), rounded down or up."""
    total = term = 1 << w
    n = 0
    while term > 1 or n < 6:
        n += 1
        product = term * r
        term = -(-product // (n << w)) if up else product // (n << w)
        total += term
        if term == 0:
            break
    return total + 2 * term if up else total


def log(y: int, p: int) -> tuple[int, int]:
    """2**p log(y / 2**p) for y > 0, enclosed."""
    k = y.bit_length() - 1 - p  # y / 2**p in [2**k, 2**(k + 1))
    w = p + GUARD
    one = 1 << w
    m, rest = (y << (w - p - k), 0) if w - p >= k else (y >> (k + p - w), 1)
    low, high = (
        _atanh(m - one, m + one, w, False),
        _atanh(m - one + rest, m + one, w, True),
    )
    a, b = (k * c for c in (ln2(w) if k >= 0 else ln2(w)[::-1]))
    return (a + 2 * low) >> GUARD, -(-(b + 2 * high) >> GUARD)


def _atanh(top: int, bottom: int, w: int, up: bool) -> int:
    """atanh(top / bottom) for 0 <= top / bottom <= 1/3 (a little more is harmless)."""

    def quotient(a, b):
        return -(-a // b) if up else a // b

    z = quotient(top << w, bottom)
    square = quotient(z * z, 1 << w)
    total, power, n = z, z, 1
    while power > 1:
        n += 2
        power = quotient(power * square, 1 << w)
        total += quotient(power, n)
    return total + 2 if up else total


def ratio(top: tuple[int, int], bottom: tuple[int, int], p: int) -> tuple[int, int]:
    """top / bottom for positive enclosures."""
    return (top[0] << p) // bottom[1], -((-top[1] << p) // bottom[0])


def times(x: tuple[int, int], y: tuple[int, int], p: int) -> tuple[int, int]:
    """x y for enclosures of either sign."""
    ends = [a * b for a in x for b in y]
    return min(ends) >> p, -(-max(ends) >> p)


class Exp(Curve):
    def __init__(self, shift: int = 0):
        self.shift = shift

    def value(self, x, p):
        low, high = exp(x, p)
        return low - (self.shift << p), high - (self.shift << p)

    def slope(self, x, p):
        return exp(x, p)

    def pieces(self, lo, hi, p):
        return [(lo, hi, 1)]


class Log(Curve):
    """log(x + shift)."""

    def __init__(self, shift: int = 0):
        self.shift, self.singular = shift, -shift

    def value(self, x, p):
        return log(x + (self.shift << p), p)

    def slope(self, x, p):
        y = x + (self.shift << p)
        return ratio((1 << p, 1 << p), (y, y), p)

    def pieces(self, lo, hi, p):
        return [(lo, hi, -1)]


def logistic(x: int, p: int) -> tuple[int, int]:
    """1 / (1 + exp(-x)), from exp(-|x|) <= 1."""
    one = 1 << p
    low, high = exp(-abs(x), p)
    if x < 0:
        return (low << p) // (one + low), -((-high << p) // (one + high))
    return (one << p) // (one + high), -((-one << p) // (one + low))


def logistic_slope(x: int, p: int) -> tuple[int, int]:
    """s (1 - s), which increases in s = logistic(-|x|) up to 1/2."""
    one = 1 << p
    low, high = logistic(-abs(x), p)
    high = min(high, one >> 1)
    return low * (one - low) >> p, -(-high * (one - high) >> p)


class Logistic(Curve):
    def value(self, x, p):
        return logistic(x, p)

    def slope(self, x, p):
        return logistic_slope(x, p)

    def sketch(self, x):
        s = 1 / (1 + math.exp(-x)) if x > -700 else 0.0
        return s, s * (1 - s)

    def pieces(self, lo, hi, p):
        if lo < 0 < hi:
            return [(lo, 0, 1), (0, hi, -1)]
        return [(lo, hi, 1 if lo < 0 else -1)]


class Tanh(Logistic):
    """2 logistic(2 x) - 1."""

    def value(self, x, p):
        low, high = logistic(2 * x, p)
        return 2 * low - (1 << p), 2 * high - (1 << p)

    def slope(self, x, p):
        low, high = logistic_slope(2 * x, p)
        return 4 * low, 4 * high

    def sketch(self, x):
        t = math.tanh(x)
        return t, 1 - t * t


class Softplus(Curve):
    """log(1 + exp(x)) = max(x, 0) + log(1 + exp(-|x|))."""

    def value(self, x, p):
        one, base = 1 << p, max(x, 0)
        low, high = exp(-abs(x), p)
        return base + log(one + low, p)[0], base + log(one + high, p)[1]

    def slope(self, x, p):
        return logistic(x, p)

    def pieces(self, lo, hi, p):
        return [(lo, hi, 1)]


smooth("exp", Exp())
smooth("expm1", Exp(1))
smooth("log", Log())
smooth("log1p", Log(1))
smooth("logistic", Logistic())
smooth("tanh", Tanh())
smooth("softplus", Softplus())
