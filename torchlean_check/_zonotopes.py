"""Linear forms carried forward: all values in numbers that they share.

Entry k of a value lies in rest[k] + sum_s field s of columns[k] * 2**exp * e_s, where
every e_s is in [-1, 1]: a coordinate of an input, or what one entry of some step is off
by. One long integer holds the coefficients of an entry, so that a step that is linear
acts on these integers as on numbers. What steps do is in `_zonotope_steps`.

Coefficients and factors are rounded to nearest where they are long. Since |e_s| <= 1,
half a unit for each coefficient pays for it, as a part of `rest`.

Source: affine arithmetic (Stolfi and de Figueiredo 1997, chapter 3).
"""

import functools
import sys
from collections.abc import Sequence
from operator import neg
from typing import NamedTuple

from torchlean_check._errors import UnsupportedCertificate
from torchlean_check._tensor import MAX_BITS, Tensor, at_exp, tidy, total

WIDTH = 64  # bits of a field
ROOM = WIDTH - 2  # bits of the numbers in it, so that rounding stays in the field
KEEP = 36  # of them in a coefficient that is to be multiplied
LONE = 10  # a rest below 2**-LONE of the coefficients is not worth a number


class Zonotope(NamedTuple):
    """bound: what no field exceeds in magnitude. reach: of each entry, at least the sum
    of the magnitudes of its fields, once that was computed."""

    rest: Tensor
    columns: Sequence[int]
    exp: int = 0
    bound: int = 0
    reach: list[int] | None = None

    def off_by(self, errors: list[int], exp: int) -> "Zonotope":
        """The entries moved by up to so much."""
        if not any(errors):
            return self
        off = Tensor([-e for e in errors], errors, exp)
        return self._replace(rest=total([self.rest, off]))

    def finer(self, by: int) -> "Zonotope":
        """The same in units of 2**-by of these."""
        columns = [a << by for a in self.columns]
        reach = self.reach and [a << by for a in self.reach]
        return Zonotope(self.rest, columns, self.exp - by, self.bound << by, reach)

    def coarser(self, by: int, count: int) -> "Zonotope":
        """Coefficients rounded to units of 2**by of these; by > 0."""
        lost = [count if a else 0 for a in self.columns]
        if by > ROOM:  # half a unit is more than any coefficient
            columns, bound = [0] * len(lost), 0
        else:
            columns = [a and _rounded(a, by, count) for a in self.columns]
            bound = (self.bound >> by) + 1
        reach = self.reach and [
            (a >> by) + 1 + e for a, e in zip(self.reach, lost, strict=True)
        ]
        found = Zonotope(self.rest, columns, self.exp + by, bound, reach)
        return found.off_by(lost, self.exp + by - 1)

    def measured(self, count: int) -> "Zonotope":
        """With the reach of each entry, and coefficients of KEEP bits or fewer."""
        if self.reach is not None:
            return self
        limit(len(self.columns), count)
        if self.bound.bit_length() > ROOM:
            raise UnsupportedCertificate("the fields of zonotopes are too short")
        z, every = self._replace(columns=list(self.columns)), 0
        if z.bound > 1 << KEEP:
            for a in filter(None, z.columns):
                every |= sizes(a, count)
            raw = every.to_bytes(WIDTH // 8 * count, sys.byteorder)
            longest = max(memoryview(raw).cast("Q"), default=0) + 1
            z = z._replace(bound=longest)
            if longest > 1 << KEEP:
                z = z.coarser(longest.bit_length() - KEEP, count)
        return z._replace(reach=[a and reach_of(a, count) for a in z.columns])

    def in_units(self, exp: int, count: int) -> "Zonotope":
        """With coefficients in units of 2**exp."""
        by = exp - self.exp
        if not self.bound:
            return self._replace(exp=exp)
        return self.coarser(by, count) if by > 0 else self.finer(-by)

    def hull(self) -> Tensor:
        """Around everything in it; its reach is known."""
        reach = self.reach or []
        return total([self.rest, Tensor(list(map(neg, reach)), reach, self.exp)])


def limit(size: int, count: int) -> None:
    if size * count * WIDTH > MAX_BITS:
        raise UnsupportedCertificate(f"zonotopes of {size} entries and {count} numbers")


def aligned(zs: list[Zonotope], count: int) -> list[Zonotope]:
    """In one unit, and short enough for their sum."""
    moving = [z for z in zs if z.bound]
    longest = max((z.exp + z.bound.bit_length() for z in moving), default=0)
    exp = min((z.exp for z in moving), default=0)
    exp = max(exp, longest + len(zs).bit_length() - ROOM)
    return [z.in_units(exp, count) for z in zs]


def numbered(z: Zonotope, count: int) -> tuple[Zonotope, int]:
    """(with a number of its own for each entry whose rest is wide, numbers in use)."""
    z = z.measured(count)
    widest = max(b - a for a, b in zip(z.rest.lo, z.rest.hi, strict=True))
    if not widest:
        return z, count
    exp = z.rest.exp + widest.bit_length() - KEEP
    if z.bound:
        exp = max(exp, z.exp + z.bound.bit_length() - KEEP)
    z = z.in_units(exp, count)
    rest = at_exp(z.rest, min(z.rest.exp, exp))
    columns, reach, bound = list(z.columns), list(z.reach or ()), z.bound
    lo, hi = list(rest.lo), list(rest.hi)
    for k, (a, b) in enumerate(zip(rest.lo, rest.hi, strict=True)):
        radius = -(a - b >> (exp - rest.exp + 1))  # half of it, rounded up
        if radius << LONE > reach[k]:
            columns[k] += radius << (WIDTH * count)
            count += 1
            reach[k], bound = reach[k] + radius, max(bound, radius)
            lo[k], hi[k] = a + b >> 1, a + b + 1 >> 1
    return Zonotope(tidy(lo, hi, rest.exp), columns, exp, bound, reach), count


@functools.lru_cache(maxsize=2)
def _tops(count: int) -> int:
    """The top bit of each field: added, it leaves no field negative."""
    return ((1 << WIDTH * count) - 1) // ((1 << WIDTH) - 1) << (WIDTH - 1)


def sizes(column: int, count: int) -> int:
    """In each of `count` fields its magnitude, or 1 less."""
    tops = _tops(count)
    raised = column + tops
    signs = raised & tops  # of numbers that are not negative
    below = tops ^ signs
    return raised ^ signs ^ (below - (below >> (WIDTH - 1)))


def reach_of(column: int, count: int) -> int:
    """At least the sum of the magnitudes of fields, which has to fit into one."""
    total, fields = sizes(column, count), count
    while fields > 1:
        fields = (fields + 1) // 2
        at = WIDTH * fields
        total = (total >> at) + (total & ((1 << at) - 1))
    return total + count


@functools.lru_cache(maxsize=2)
def _masks(by: int, count: int) -> tuple[int, int, int]:
    tops = _tops(count)
    ones = tops >> (WIDTH - 1)
    return tops + (ones << (by - 1)), ones * ((1 << (WIDTH - by)) - 1), tops >> by


def _rounded(column: int, by: int, count: int) -> int:
    """Each field in units of 2**by, to nearest."""
    raising, low, tops = _masks(by, count)
    return (column + raising >> by & low) - tops
