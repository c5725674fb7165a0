"""A loop x' = f(x) with a function V: V and W = grad V . f over boxes, by their series.

The gradient of V comes from the series of V to one degree more. Over a box, its parts
hold all derivatives there, of degree n over n factorial; at a middle, the values. From
both, by Taylor's theorem: at m + d, d in the offsets, a function is its polynomial of
degree n - 1 at m plus a form of degree n whose coefficients those over the box hold.
All such enclosures hold, and so does what is common to them.
"""

import functools
import itertools
from fractions import Fraction
from typing import NamedTuple

from torchlean_check._fixed import (
    ONE,
    Fixed,
    fixed,
    minus,
    plus,
    power,
    times,
)
from torchlean_check._grades import Grades
from torchlean_check._programs import NOTHING, Program, Series

Box = list[tuple[Fraction, Fraction]]


class Loop(NamedTuple):
    field: Program
    function: Program
    size: int


def every(variables: int, degree: int) -> list[list[tuple[int, ...]]]:
    """All monomials, by degree, in the order of the variables they are made of."""
    grades = []
    for n in range(degree + 1):
        grade = []
        for chosen in itertools.combinations_with_replacement(range(variables), n):
            grade.append(tuple(map(chosen.count, range(variables))))
        grades.append(grade)
    return grades


@functools.lru_cache(32)
def all_grades(variables: int, degree: int) -> Grades:
    return Grades(every(variables, degree))


def around(loop: Loop, box: list[Fixed], degree: int) -> tuple[list, list]:
    """Parts of V and of W up to a degree, of their series around points of a box."""
    size = loop.size
    wide, narrow = all_grades(size, degree + 1), all_grades(size, degree)
    v = parts(loop.function, wide, box, degree + 2)
    rates = parts(loop.field, narrow, box, degree + 1)
    w = []
    for n in range(degree + 1):
        total = [NOTHING] * narrow.size(n)
        for k in range(size):
            for i in range(n + 1):
                slope = _slope(v[i + 1][0], wide, narrow, i, k)
                rate = rates[n - i][k]
                for p, q, r in narrow.pairs(i, n - i):
                    total[r] = plus(total[r], times(slope[p], rate[q]))
        w.append(total)
    return [part[0] for part in v[: degree + 1]], w


def parts(program: Program, grades: Grades, box, count: int) -> list:
    series, found = Series(program, grades), []
    for n in range(count):
        now = [[x] for x in box]
        if n:
            now = [
                [
                    (ONE, ONE) if n == 1 and m[k] else NOTHING
                    for m in grades.monomials[n]
                ]
                for k in range(len(box))
            ]
        found.append(series.extend(now))
    return found


def _slope(part, wide: Grades, narrow: Grades, degree: int, k: int) -> list[Fixed]:
    """A part of degree one more, differentiated by variable k."""
    found = []
    for m in narrow.monomials[degree]:
        higher = tuple(e + (i == k) for i, e in enumerate(m))
        low, high = part[wide.places[degree + 1][higher]]
        found.append((low * higher[k], high * higher[k]))
    return found


def spread(box: Box) -> tuple[list[Fixed], list[Fixed], list[Fixed]]:
    """Its coordinates, its middle, and the offsets of its points from there."""
    ranges = [fixed(*x) for x in box]
    middles = [fixed((a + b) / 2) for a, b in box]
    return ranges, middles, [minus(x, m) for x, m in zip(ranges, middles, strict=True)]


def bounds(loop: Loop, box: Box) -> tuple[Fixed, Fixed]:
    """Enclosures of V and W over a box."""
    ranges, middles, offs = spread(box)
    grades, found = all_grades(loop.size, 2), []
    for over, here in zip(
        around(loop, ranges, 2), around(loop, middles, 1), strict=True
    ):
        start, best = NOTHING, over[0][0]
        for n in (0, 1):
            start = plus(start, form(here[n], grades.monomials[n], offs))
            rest = form(over[n + 1], grades.monomials[n + 1], offs)
            best = common(best, plus(start, rest))
        found.append(best)
    return found[0], found[1]


def form(part, monomials, offs: list[Fixed]) -> Fixed:
    total = NOTHING
    for c, m in zip(part, monomials, strict=True):
        for x, e in zip(offs, m, strict=True):
            c = times(c, power(x, e)) if e else c
        total = plus(total, c)
    return total


def common(x: Fixed, y: Fixed) -> Fixed:
    return max(x[0], y[0]), min(x[1], y[1])
