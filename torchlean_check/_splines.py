"""Claims about piecewise polynomials with rational coefficients, decided exactly.

A spline is [x_0, x_n] cut at knots x_0 < ... < x_n, with a polynomial in x - x_k on
each [x_k, x_k+1]; at an inner knot both neighbours count. A claim is decided from the
coefficients alone: nothing in the file is evidence, and nothing is assumed. Only the
distance to a function that is no polynomial is bounded, by `_closeness`.
"""

import itertools
from fractions import Fraction
from typing import NamedTuple

from torchlean_check._closeness import require_close
from torchlean_check._errors import NotProved
from torchlean_check._polynomials import (
    Polynomial,
    derivative,
    negative_somewhere,
    plus,
    shifted,
    trimmed,
    value,
)
from torchlean_check._programs import digest, read_program
from torchlean_check._rationals import rational
from torchlean_check._schema import fail, fields

MAX_DEGREE = 20
MAX_PIECES = 10_000


class Spline(NamedTuple):
    knots: list[Fraction]
    pieces: list[Polynomial]

    def intervals(self):
        """(start, end, polynomial in x - start) of each piece."""
        return zip(self.knots, self.knots[1:], self.pieces, strict=False)

    def sides(self, x: Fraction):
        """The value at x by each piece that holds it."""
        return [value(p, x - a) for a, b, p in self.intervals() if a <= x <= b]


def read_spline(entry, where: str) -> Spline:
    entry = fields(entry, where, knots=[str], pieces=[[str]])
    knots = [rational(t, f"{where}.knots[{k}]") for k, t in enumerate(entry["knots"])]
    if not 2 <= len(knots) <= MAX_PIECES + 1:
        fail(f"{where}.knots", f"2 to {MAX_PIECES + 1} knots")
    if any(a >= b for a, b in itertools.pairwise(knots)):
        fail(f"{where}.knots", "knots must increase")
    if len(entry["pieces"]) != len(knots) - 1:
        fail(f"{where}.pieces", f"{len(knots)} knots need {len(knots) - 1} pieces")
    pieces = []
    for k, texts in enumerate(entry["pieces"]):
        if len(texts) > MAX_DEGREE + 1:
            fail(f"{where}.pieces[{k}]", f"the degree is above {MAX_DEGREE}")
        pieces.append(trimmed(rational(t, f"{where}.pieces[{k}]") for t in texts))
    return Spline(knots, pieces)


def check_spline(document: dict) -> str:
    """The claim of a document, in words; NotProved if a part of it is false."""
    document = fields(
        document, "spline", format=str, version=int, spline=None, claims=[dict]
    )
    if document["version"] != 1:
        fail("version", "must be 1")
    spline = read_spline(document["spline"], "spline")
    if not document["claims"]:
        fail("claims", "must not be empty")
    said = []
    for k, claim in enumerate(document["claims"]):
        where = f"claims[{k}]"
        kind = claim.get("kind")
        if type(kind) is not str or kind not in _CLAIMS:
            fail(f"{where}.kind", f"must be one of {', '.join(sorted(_CLAIMS))}")
        try:
            said.append(_CLAIMS[kind](spline, claim, where))
        except NotProved as error:
            raise NotProved(error.message, where) from None
    first, last = spline.knots[0], spline.knots[-1]
    return (
        f"The piecewise polynomial on [{first}, {last}] with {len(spline.pieces)} "
        f"pieces is {'; '.join(said)}. Assumed: nothing further."
    )


def _continuous(spline: Spline, claim, where):
    """Each derivative up to `order` jumps by at most `tolerance` at inner knots."""
    claim = fields(claim, where, kind=str, order=int, tolerance=str)
    order, most = claim["order"], rational(claim["tolerance"], f"{where}.tolerance")
    if not 0 <= order <= MAX_DEGREE or most < 0:
        fail(where, f"order in 0 .. {MAX_DEGREE} and a tolerance of 0 or more")
    for k in range(order + 1):
        for x, jump in jumps(spline, k):
            if abs(jump) > most:
                raise NotProved(f"derivative {k} jumps by {jump} at {x}")
    return f"continuous with {order} derivatives (jumps at most {most})"


def jumps(spline: Spline, order: int):
    """(knot, jump of that derivative) at every inner knot."""
    found = []
    for k, (a, b, p) in enumerate(spline.intervals()):
        if k + 1 < len(spline.pieces):
            left = value(derivative(p, order), b - a)
            right = value(derivative(spline.pieces[k + 1], order), Fraction(0))
            found.append((b, right - left))
    return found


def _interpolates(spline, claim, where):
    claim = fields(claim, where, kind=str, points=[(str, str)], tolerance=str)
    most = rational(claim["tolerance"], f"{where}.tolerance")
    for k, pair in enumerate(claim["points"]):
        x, y = (rational(t, f"{where}.points[{k}]") for t in pair)
        sides = spline.sides(x)
        if not sides:
            raise NotProved(f"{x} is outside of the knots")
        for found in sides:
            if abs(found - y) > most:
                raise NotProved(f"the value at {x} is {found}, not {y}")
    return f"through {len(claim['points'])} points (within {most})"


def _signed(spline: Spline, sign: int, order: int, what: str):
    """`sign` times a derivative is nowhere negative, jumps of lower ones included.

    A function that jumps up is increasing; one whose slope jumps up is convex, but only
    if it does not jump itself.
    """
    for lower in range(order):
        for x, jump in jumps(spline, lower):
            if (lower == order - 1 and sign * jump < 0) or (lower < order - 1 and jump):
                raise NotProved(f"not {what}: derivative {lower} jumps at {x}")
    for a, b, p in spline.intervals():
        bad = [sign * c for c in derivative(p, order)]
        at = negative_somewhere(bad, Fraction(0), b - a)
        if at is not None:
            raise NotProved(f"not {what}: derivative {order} at {a + at}")
    return what


def _shape(sign, order):
    def decide(spline, claim, where):
        return _signed(spline, sign, order, fields(claim, where, kind=str)["kind"])

    return decide


def _range(spline: Spline, claim, where):
    claim = fields(claim, where, kind=str, lo=str, hi=str)
    lo, hi = (rational(claim[k], f"{where}.{k}") for k in ("lo", "hi"))
    _require_between(spline, lo, hi, "the value")
    return f"between {lo} and {hi}"


def _require_between(spline: Spline, lo, hi, what):
    for a, b, p in spline.intervals():
        for q, bound in ((plus(p, [lo], -1), lo), (plus([hi], p, -1), hi)):
            at = negative_somewhere(q, Fraction(0), b - a)
            if at is not None:
                found = value(p, at)
                raise NotProved(f"{what} at {a + at} is {found}, beyond {bound}")


def _near(spline: Spline, claim, where):
    claim = fields(claim, where, kind=str, other=None, distance=str)
    other = read_spline(claim["other"], f"{where}.other")
    most = rational(claim["distance"], f"{where}.distance")
    gap = difference(spline, other)
    if gap is None:
        raise NotProved("the two splines live on different intervals")
    _require_between(gap, -most, most, "the difference")
    return f"within {most} of another one with {len(other.pieces)} pieces"


def _follows(spline: Spline, claim, where):
    claim = fields(claim, where, kind=str, function=dict, distance=str)
    f = read_program(claim["function"], f"{where}.function", 1, 1)
    most = rational(claim["distance"], f"{where}.distance")
    require_close(spline.intervals(), f, most)
    return f"within {most} of a function ({digest(claim['function'])[:12]})"


def difference(one: Spline, two: Spline) -> Spline | None:
    """one - two on the union of their knots; None if they end elsewhere."""
    if (one.knots[0], one.knots[-1]) != (two.knots[0], two.knots[-1]):
        return None
    knots, pieces, at = sorted({*one.knots, *two.knots}), [], [0, 0]
    for x in knots[:-1]:
        parts = []
        for k, spline in enumerate((one, two)):
            while spline.knots[at[k] + 1] <= x:
                at[k] += 1
            parts.append(shifted(spline.pieces[at[k]], x - spline.knots[at[k]]))
        pieces.append(plus(parts[0], parts[1], -1))
    return Spline(knots, pieces)


_CLAIMS = {
    "continuous": _continuous,
    "interpolates": _interpolates,
    "increasing": _shape(1, 1),
    "decreasing": _shape(-1, 1),
    "convex": _shape(1, 2),
    "concave": _shape(-1, 2),
    "range": _range,
    "near": _near,
    "follows": _follows,
}
