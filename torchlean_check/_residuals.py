"""Bounds of expressions in a function's derivatives over boxes: residuals of equations.

A claim is |E(x, u and its derivatives at x)| <= bound for all x of a box, u and E given
as programs. The series of u over a cell holds its derivatives there; E is evaluated on
the series of those in turn, so that its own series comes out, and Taylor's theorem
bounds it: the polynomial at the middle of the cell, and over the cell the terms of the
last degree. Cells are cut until each is within the bound. A box may be flat along some
coordinates, as a face of the domain is: then nothing varies along these.
"""

import itertools
import math
from fractions import Fraction
from typing import NamedTuple

from torchlean_check._cells import on_boxes, told_box
from torchlean_check._fixed import ONE, Fixed, fixed, minus, plus, text
from torchlean_check._grades import Grades
from torchlean_check._loops import Box, common, every, form
from torchlean_check._programs import (
    NOTHING,
    Part,
    Program,
    Series,
    digest,
    read_program,
)
from torchlean_check._ranges import read_ranges, told
from torchlean_check._schema import fail, fields
from torchlean_check._splines import rational

MAX_SIZE, MAX_FIELDS, MAX_CLAIMS = 4, 8, 32
MAX_ORDER, MAX_DEGREE, MAX_VALUES, MAX_CELLS = 4, 8, 32, 20_000

Monomial = tuple[int, ...]


class Claim(NamedTuple):
    """orders: exponents of the derivatives that E is given, after x; shifts: from x to
    the points at which it is given them; degree: of Taylor's remainder."""

    orders: list[Monomial]
    shifts: list[list[Fraction]]
    equation: Program
    box: Box
    bound: Fraction
    degree: int


def _plus(a: Monomial, b: Monomial) -> Monomial:
    return tuple(x + y for x, y in zip(a, b, strict=True))


class Residual:
    """E of the derivatives of u, over cells of one claim's box."""

    def __init__(self, u: Program, claim: Claim):
        self.u, self.claim = u, claim
        free = [lo < hi for lo, hi in claim.box]
        self.own = [
            [m for m in grade if all(f or not e for f, e in zip(free, m, strict=True))]
            for grade in every(len(free), claim.degree)
        ]
        self.grades = Grades(self.own)
        # what is below a monomial is needed to compute it
        wanted = {
            _plus(a, m) for a in claim.orders for grade in self.own for m in grade
        }
        below = {
            m for top in wanted for m in itertools.product(*(range(e + 1) for e in top))
        }
        self.highest = max(map(sum, below))
        self.wide = Grades([
            sorted(m for m in below if sum(m) == n) for n in range(self.highest + 1)
        ])  # fmt: skip

    def series(self, box: list[Fixed], degree: int) -> list[list[Part]]:
        """Parts of E around the points of a box, up to a degree."""
        most = max(map(sum, self.claim.orders), default=0) + degree
        own, around = Series(self.claim.equation, self.grades), []
        for shift in self.claim.shifts:
            there = [plus(x, fixed(s)) for x, s in zip(box, shift, strict=True)]
            of_u = Series(self.u, self.wide)
            around.append(
                [of_u.extend(_moved(self.wide, there, n)) for n in range(most + 1)]
            )
        parts = []
        for n in range(degree + 1):
            inputs = _moved(self.grades, box, n)
            for found, order in itertools.product(around, self.claim.orders):
                inputs += self._derived(order, n, found[n + sum(order)])
            parts.append(own.extend(inputs))
        return parts

    def _derived(self, order: Monomial, n: int, parts: list[Part]) -> list[Part]:
        """Part n of a derivative of each field of u: of its part of so many degrees
        more, with the factors that differentiation gives."""
        places, found = self.wide.places[n + sum(order)], []
        for part in parts:
            found.append([])
            for m in self.grades.monomials[n]:
                top = _plus(m, order)
                low, high = part[places[top]]
                factor = math.prod(map(math.perm, top, order))
                found[-1].append((low * factor, high * factor))
        return found

    def over(self, cell: Box) -> list[Fixed]:
        """Enclosures of all components of E on a cell."""
        degree = self.claim.degree
        ranges = [fixed(*x) for x in cell]
        middles = [fixed((a + b) / 2) for a, b in cell]
        offs = [minus(x, m) for x, m in zip(ranges, middles, strict=True)]
        over, here = self.series(ranges, degree), self.series(middles, degree - 1)
        found = []
        for k in range(len(self.claim.equation.outputs)):
            start, best = NOTHING, over[0][k][0]
            for n in range(degree):
                start = plus(start, form(here[n][k], self.own[n], offs))
                rest = form(over[n + 1][k], self.own[n + 1], offs)
                best = common(best, plus(start, rest))
            found.append(best)
        return found


def _moved(grades: Grades, box: list[Fixed], n: int) -> list[Part]:
    """Part n of the coordinates: their values, then what they move by."""
    if not n:
        return [[x] for x in box]
    return [
        [(ONE, ONE) if n == 1 and m[k] else NOTHING for m in grades.monomials[n]]
        for k in range(len(box))
    ]


def require_bounded(u: Program, claim: Claim) -> int:
    """NotProved unless |E| <= bound on the box; how many cells it took."""
    residual, limit = Residual(u, claim), fixed(claim.bound)[0]

    def open_on(cell: Box) -> str:
        found = residual.over(cell)
        beyond = [x for x in found if max(-x[0], x[1]) > limit]
        return f"E is in {text(beyond[0])}" if beyond else ""

    return on_boxes([claim.box], claim.box, open_on, MAX_CELLS)


def check_residual(document: dict) -> str:
    """The claim of a document, in words; NotProved if it does not follow."""
    document = fields(document, "residual", format=str, version=int, size=int,
                      fields=int, function=dict, claims=list)  # fmt: skip
    size, count = document["size"], document["fields"]
    if document["version"] != 1 or not 1 <= size <= MAX_SIZE:
        fail("size", f"1 to {MAX_SIZE}, and version 1")
    if not 1 <= count <= MAX_FIELDS:
        fail("fields", f"1 to {MAX_FIELDS}")
    if not 1 <= len(document["claims"]) <= MAX_CLAIMS:
        fail("claims", f"1 to {MAX_CLAIMS}")
    u = read_program(document["function"], "function", size, count)
    claims = [
        _read_claim(entry, f"claims[{k}]", size, count)
        for k, entry in enumerate(document["claims"])
    ]
    said = []
    for claim, entry in zip(claims, document["claims"], strict=True):
        require_bounded(u, claim)
        said.append(
            f"|E| <= {told(claim.bound)} on {told_box(claim.box)} for the equation "
            f"{digest(entry['equation'])[:12]} in derivatives "
            f"{[list(order) for order in claim.orders]} of u"
            + (f" at {len(claim.shifts)} points" if len(claim.shifts) > 1 else "")
        )
    return (
        f"{'; '.join(said)}; at all real points. u is the program of the file "
        f"({digest(document['function'])[:12]}). Assumed: nothing further."
    )


def _read_claim(entry, where: str, size: int, count: int) -> Claim:
    entry = fields(entry, where, orders=[[int]], shifts=[[str]], equation=dict,
                   box=dict, bound=str, degree=int)  # fmt: skip
    orders, shifts = [tuple(order) for order in entry["orders"]], entry["shifts"]
    if any(len(row) != size for row in (*orders, *shifts)):
        fail(where, f"orders and shifts have {size} numbers each")
    if not orders or any(min(o) < 0 or sum(o) > MAX_ORDER for o in orders):
        fail(f"{where}.orders", f"exponents of derivatives, at most {MAX_ORDER} in all")
    if not shifts or len(orders) * len(shifts) > MAX_VALUES:
        fail(f"{where}.shifts", f"1 and more, {MAX_VALUES} derivatives in all")
    moved = [[rational(x, f"{where}.shifts") for x in shift] for shift in shifts]
    if not 1 <= entry["degree"] <= MAX_DEGREE:
        fail(f"{where}.degree", f"1 to {MAX_DEGREE}")
    equation, box = entry["equation"], read_ranges(entry["box"], f"{where}.box", size)
    if all(lo == hi for lo, hi in box):
        fail(f"{where}.box", "must have an extent")
    outputs = equation.get("outputs")
    if type(outputs) is not list or not 1 <= len(outputs) <= MAX_FIELDS:
        fail(f"{where}.equation", f"1 to {MAX_FIELDS} outputs")
    inputs = size + len(orders) * len(shifts) * count
    program = read_program(equation, f"{where}.equation", inputs, len(outputs))
    bound = rational(entry["bound"], f"{where}.bound")
    return Claim(orders, moved, program, box, bound, entry["degree"])
