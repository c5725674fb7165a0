"""Piecewise polynomials through given points (`piecewise_poly_v0`), decided exactly.

Each piece is a polynomial in x minus its left knot, and has to take the given values at
both its ends; so the whole is continuous and interpolates. Numbers are strings.
"""

import itertools

from torchlean_check._errors import NotProved
from torchlean_check._plain_json import rational_text, take
from torchlean_check._polynomials import value
from torchlean_check._schema import checked, fail
from torchlean_check._splines import MAX_DEGREE, MAX_PIECES


def check_piecewise(document: dict) -> str:
    document = take(document, "spline", degree=int, xs=list, ys=list, pieces=list)
    xs, ys = (_rationals(document[k], k) for k in ("xs", "ys"))
    degree, pieces = document["degree"], document["pieces"]
    if not 2 <= len(xs) <= MAX_PIECES + 1 or len(ys) != len(xs):
        fail("xs", f"2 to {MAX_PIECES + 1} knots, and as many ys")
    if not 0 <= degree <= MAX_DEGREE or len(pieces) != len(xs) - 1:
        fail("pieces", f"a degree in 0 .. {MAX_DEGREE} and {len(xs) - 1} pieces")
    for k, (a, b) in enumerate(itertools.pairwise(xs)):
        where = f"pieces[{k}]"
        if a >= b:
            raise NotProved(f"xs[{k}] >= xs[{k + 1}]: {a} >= {b}", "xs")
        piece = take(pieces[k], where, lo=None, hi=None, coeffs=list)
        ends = [rational_text(piece[e], f"{where}.{e}") for e in ("lo", "hi")]
        if ends != [a, b]:
            raise NotProved(f"[lo, hi] is not [{a}, {b}]", where)
        p = _rationals(piece["coeffs"], f"{where}.coeffs")
        if len(p) != degree + 1:
            fail(f"{where}.coeffs", f"must be {degree + 1} for degree {degree}")
        for x, y in ((a, ys[k]), (b, ys[k + 1])):
            found = value(p, x - a)
            if found != y:
                raise NotProved(f"the value at {x} is {found}, not {y}", where)
    return (
        f"The piecewise polynomial of degree {degree} on [{xs[0]}, {xs[-1]}] is "
        f"continuous and goes through the {len(xs)} points of the file. Assumed: "
        "nothing further."
    )


def _rationals(values, where: str):
    values = checked(values, list, where)
    return [rational_text(v, f"{where}[{k}]") for k, v in enumerate(values)]
