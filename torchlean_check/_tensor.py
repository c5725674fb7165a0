"""Exact interval tensors: flat lists of integers that share one power of two.

A `Tensor(lo, hi, exp)` stands for all arrays x with lo[k] * 2**exp <= x[k] <= hi[k] *
2**exp. `lo is hi` marks a tensor known exactly. Every operation contains the true
result over the reals; where integers grow beyond KEEP + SPARE bits they are rounded
outward to KEEP bits of the largest entry. Shapes are not known here.
"""

from operator import add, mul, neg, sub
from typing import NamedTuple

from torchlean_check._errors import UnsupportedCertificate

KEEP = 128
SPARE = 64
MAX_EXP = 1 << 14
MAX_BITS = 1 << 31  # of zeros that one tensor may be padded with


class Tensor(NamedTuple):
    lo: list[int]
    hi: list[int]
    exp: int

    @property
    def exact(self) -> bool:
        return self.lo is self.hi


def tidy(lo: list[int], hi: list[int], exp: int) -> Tensor:
    """The tensor [lo, hi] * 2**exp, rounded outward if its integers are long."""
    bits = max(*hi, -min(lo)).bit_length()
    if abs(exp) > MAX_EXP or abs(exp + bits) > MAX_EXP:
        raise UnsupportedCertificate("magnitudes beyond 2**16384")
    if bits <= KEEP + SPARE:
        return Tensor(lo, hi, exp)
    cut = bits - KEEP
    return Tensor([a >> cut for a in lo], [-(-a >> cut) for a in hi], exp + cut)


def shift(values: list[int], by: int) -> list[int]:
    """values * 2**by for by >= 0."""
    if len(values) * by > MAX_BITS:
        raise UnsupportedCertificate("numbers of one tensor are too far apart")
    return [a << by for a in values] if by else values


def at_exp(t: Tensor, exp: int) -> Tensor:
    """The same tensor written with an exponent that is not larger."""
    lo = shift(t.lo, t.exp - exp)
    return Tensor(lo, lo if t.exact else shift(t.hi, t.exp - exp), exp)


def aligned(tensors: list[Tensor]) -> list[Tensor]:
    exp = min(t.exp for t in tensors)
    return [at_exp(t, exp) for t in tensors]


def midpoint_radius(t: Tensor) -> tuple[list[int], list[int] | None, int]:
    """(m, r, exp) with t = m +- r; r is None when t is exact."""
    if t.exact:
        return t.lo, None, t.exp
    return list(map(add, t.lo, t.hi)), list(map(sub, t.hi, t.lo)), t.exp - 1


def magnitude(t: Tensor) -> list[int]:
    """An upper bound of |x| in units of 2**t.exp."""
    return [max(b, -a) for a, b in zip(t.lo, t.hi, strict=True)]


def negated(t: Tensor) -> Tensor:
    lo = list(map(neg, t.hi))
    return Tensor(lo, lo if t.exact else list(map(neg, t.lo)), t.exp)


def total(tensors: list[Tensor]) -> Tensor:
    first, *rest = aligned(tensors)
    lo, hi = first.lo, first.hi
    for t in rest:
        both = lo is hi and t.exact
        lo = list(map(add, lo, t.lo))
        hi = lo if both else list(map(add, hi, t.hi))
    return tidy(lo, hi, first.exp)


def product(x: Tensor, y: Tensor) -> Tensor:
    """Elementwise interval product."""
    exp = x.exp + y.exp
    if x.exact and y.exact:
        lo = list(map(mul, x.lo, y.lo))
        return tidy(lo, lo, exp)
    if x.exact:
        x, y = y, x
    if y.exact:
        ends = [(a * w, b * w) for a, b, w in zip(x.lo, x.hi, y.lo, strict=True)]
    else:
        ends = [
            (a * c, a * d, b * c, b * d)
            for a, b, c, d in zip(x.lo, x.hi, y.lo, y.hi, strict=True)
        ]
    return tidy(list(map(min, ends)), list(map(max, ends)), exp)


def reciprocal(t: Tensor) -> Tensor:
    """1 / t for entries that exclude zero; exact for powers of two."""
    if any(a <= 0 <= b for a, b in zip(t.lo, t.hi, strict=True)):
        raise UnsupportedCertificate("division by an interval that contains zero")
    one = 1 << (KEEP + max(magnitude(t)).bit_length())
    lo = [one // b for b in t.hi]
    hi = [-(-one // a) for a in t.lo]
    scale = one.bit_length() - 1
    return tidy(lo, lo if lo == hi else hi, -t.exp - scale)
