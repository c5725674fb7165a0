"""Intervals with rational ends, (lo, hi), computed without rounding."""

import itertools
import math
from collections.abc import Iterable
from fractions import Fraction

from torchlean_check._rationals import rational
from torchlean_check._schema import fail, fields

Range = tuple[Fraction, Fraction]


def add(*xs: Range) -> Range:
    return sum(x[0] for x in xs), sum(x[1] for x in xs)  # type: ignore[return-value]


def scale(x: Range, c: Fraction | int) -> Range:
    return (x[0] * c, x[1] * c) if c >= 0 else (x[1] * c, x[0] * c)


def times(x: Range, y: Range) -> Range:
    ends = [a * b for a in x for b in y]
    return min(ends), max(ends)


def square(x: Range) -> Range:
    low, high = sorted((x[0] ** 2, x[1] ** 2))
    return (Fraction(0) if x[0] < 0 < x[1] else low), high


def hull(xs: Iterable[Range]) -> Range:
    lows, highs = zip(*xs, strict=True)
    return min(lows), max(highs)


def outward(x: Range, bits: int = 24) -> Range:
    """The least range with ends in multiples of 2^-bits around x: short numbers."""
    unit = 1 << bits
    return Fraction(math.floor(x[0] * unit), unit), Fraction(
        math.ceil(x[1] * unit), unit
    )


def cells(ranges: list[Range], counts: list[int]):
    """Boxes of equal parts along each range."""
    parts = []
    for (lo, hi), n in zip(ranges, counts, strict=True):
        cuts = [lo + (hi - lo) * Fraction(k, n) for k in range(n + 1)]
        parts.append(list(itertools.pairwise(cuts)))
    return map(list, itertools.product(*parts))


def read_ranges(entry, where: str, count: int) -> list[Range]:
    entry = fields(entry, where, lo=[str], hi=[str])
    if not len(entry["lo"]) == len(entry["hi"]) == count:
        fail(where, f"lo and hi need {count} numbers each")
    pairs = []
    for k, both in enumerate(zip(entry["lo"], entry["hi"], strict=True)):
        lo, hi = (rational(text, f"{where}[{k}]") for text in both)
        if lo > hi:
            fail(f"{where}[{k}]", "lo > hi")
        pairs.append((lo, hi))
    return pairs


def told(x: Fraction) -> str:
    """About how much x is. Its digits may be more than Python writes out."""
    try:
        return f"{float(x):.6g}"
    except OverflowError:
        return "more than 1e308" if x > 0 else "less than -1e308"
