"""Symmetric matrices of a loop over boxes: the Hessians of V and W, and P J + J^T P.

Entry by entry, by the mean value theorem: what it is at the middle of the box, plus the
derivatives over the box times the offsets; and as the series over the box has it.
"""

import functools
import itertools
import math
from typing import NamedTuple

from torchlean_check._definite import Matrix
from torchlean_check._fixed import Fixed, exact, plus, times
from torchlean_check._loops import Box, Loop, all_grades, around, common, parts, spread
from torchlean_check._programs import NOTHING

Square = list[list[Fixed]]


class Family(NamedTuple):
    """Symmetric matrices over a box: theirs lie in [lo, hi], `middle` is the one there,
    and `widths[j]` is how much of the width is due to coordinate j."""

    lo: Matrix
    hi: Matrix
    middle: Matrix
    widths: list[Matrix]


def negated(family: Family) -> Family:
    lo, hi, middle = ([[-x for x in row] for row in m] for m in family[:3])
    return Family(hi, lo, middle, family.widths)


def _family(over, here, slopes, offs: list[Fixed]) -> Family:
    """Of what is enclosed over the box, is `here` at its middle, and has these slopes
    over it, by coordinate: the mean value theorem, entry by entry."""
    size, entries = len(over), []
    for i, k in itertools.product(range(size), repeat=2):
        moves = [
            times(s[i][k], d) if s[i][k] != NOTHING else NOTHING
            for s, d in zip(slopes, offs, strict=True)
        ]
        straight = functools.reduce(plus, moves, here[i][k])
        low, high = common(over[i][k], straight)
        middle = sum(here[i][k]) // 2
        entries.append([low, high, middle, *(b - a for a, b in moves)])

    def square(n):
        cells = [exact(entry[n]) for entry in entries]
        return [cells[i * size : (i + 1) * size] for i in range(size)]

    return Family(square(0), square(1), square(2), [square(3 + j) for j in range(size)])


def curvatures(loop: Loop, box: Box) -> tuple[Family, Family]:
    """The Hessians of V and of W."""
    ranges, middles, offs = spread(box)
    over, here = around(loop, ranges, 3), around(loop, middles, 2)
    found = [
        _family(hessian(o[2]), hessian(h[2]), _thirds(o[3], loop.size), offs)
        for o, h in zip(over, here, strict=True)
    ]
    return found[0], found[1]


def pulls(loop: Loop, weight: Square, frame: Square, box: Box) -> Family:
    """C^T (P J + J^T P) C, of the Jacobians J of the field; P and C within intervals.

    Computed as (C^T P) (J C) and its transpose: J C adds up what is uncertain.
    """
    ranges, middles, offs = spread(box)
    grades, size = all_grades(loop.size, 2), range(loop.size)
    over = parts(loop.field, grades, ranges, 3)
    here = parts(loop.field, grades, middles, 2)
    seconds = [hessian(part) for part in over[2]]
    slopes = [[[seconds[i][k][j] for k in size] for i in size] for j in size]
    left = _product([list(column) for column in zip(*frame, strict=True)], weight)

    def drawn(jacobian):
        half = _product(left, _product(jacobian, frame))
        return [[plus(half[i][k], half[k][i]) for k in size] for i in size]

    return _family(drawn(over[1]), drawn(here[1]), [drawn(s) for s in slopes], offs)


def _product(x: Square, y: Square) -> Square:
    size = range(len(x))
    found = [[NOTHING] * len(x) for _ in size]
    for i, n in itertools.product(size, repeat=2):
        if x[i][n] != NOTHING:  # most second derivatives are 0
            for k in size:
                if y[n][k] != NOTHING:
                    found[i][k] = plus(found[i][k], times(x[i][n], y[n][k]))
    return found


def hessian(part) -> list[list[Fixed]]:
    """From a part of degree 2."""
    size = _size_of(len(part))
    places, axes = all_grades(size, 2).places[2], range(size)
    found = [[part[places[_exponents((i, k), size)]] for k in axes] for i in axes]
    for k in axes:
        found[k][k] = 2 * found[k][k][0], 2 * found[k][k][1]
    return found


def _size_of(count: int) -> int:
    """n, of n (n + 1) / 2 products of two."""
    return next(n for n in range(1, count + 1) if n * (n + 1) // 2 == count)


def _thirds(part, size: int) -> list[list[list[Fixed]]]:
    """All third derivatives, from a part of degree 3."""
    places, axes = all_grades(size, 3).places[3], range(size)

    def derivative(*chosen):
        m = _exponents(chosen, size)
        times_ = math.prod(map(math.factorial, m))
        low, high = part[places[m]]
        return low * times_, high * times_

    return [[[derivative(i, k, j) for k in axes] for i in axes] for j in axes]


def _exponents(chosen, size: int) -> tuple[int, ...]:
    return tuple(chosen.count(n) for n in range(size))
