"""A loop x' = f(x) with a function V: V and W = grad V . f over boxes, by their series.

The gradient of V comes from the series of V to one degree more. Over a box, its parts
hold all derivatives there, of degree n over n factorial; at a middle, the values.
"""

import itertools
from fractions import Fraction
from typing import NamedTuple

from torchlean_check._fixed import ONE, Fixed, exact, fixed, minus, plus, times
from torchlean_check._programs import NOTHING, Grades, Program, Series

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


def around(loop: Loop, box: list[Fixed], degree: int) -> tuple[list, list]:
    """Parts of V and of W up to a degree, of their series around points of a box."""
    size = loop.size
    wide, narrow = Grades(every(size, degree + 1)), Grades(every(size, degree))
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


def bounds(loop: Loop, box: Box) -> tuple[Fixed, Fixed]:
    """Enclosures of V and W: over the box itself, and from its middle by slopes."""
    ranges = [fixed(*x) for x in box]
    middles = [fixed((a + b) / 2) for a, b in box]
    offs = [minus(x, m) for x, m in zip(ranges, middles, strict=True)]
    found = []
    for over, here in zip(
        around(loop, ranges, 1), around(loop, middles, 0), strict=True
    ):
        straight = here[0][0]
        for slope, off in zip(over[1], offs, strict=True):
            straight = plus(straight, times(slope, off))
        whole = over[0][0]
        found.append((max(whole[0], straight[0]), min(whole[1], straight[1])))
    return found[0], found[1]


def hessians(loop: Loop, box: Box) -> list[tuple[list, list]]:
    """(lo, hi) of the Hessians of V and of W over a box, as rationals."""
    size = loop.size
    places = Grades(every(size, 2)).places[2]
    found = []
    for parts in around(loop, [fixed(*x) for x in box], 2):
        ends = []
        for side in (0, 1):
            ends.append([
                [exact(parts[2][places[_pair(i, k, size)]][side]) * (1 + (i == k))
                 for k in range(size)] for i in range(size)
            ])  # fmt: skip
        found.append((ends[0], ends[1]))
    return found


def _pair(i: int, k: int, size: int) -> tuple[int, ...]:
    return tuple((i == n) + (k == n) for n in range(size))
