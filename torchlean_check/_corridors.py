"""Corridors of a scalar differential equation y' = f(t, y), f a polynomial.

Let `lower` and `upper` be piecewise polynomials with lower' <= f(t, lower) and
upper' >= f(t, upper) on every piece, and at every knot let `lower` jump down and
`upper` up, if they jump. Then each solution that starts between them stays between
them, and exists as long as they do: f is locally Lipschitz, so the weak inequalities
suffice (Walter, Ordinary Differential Equations, 1998, section 9; at a knot the
comparison starts again). Every inequality is decided.
"""

from fractions import Fraction

from torchlean_check._errors import NotProved
from torchlean_check._polynomials import (
    Polynomial,
    derivative,
    negative_somewhere,
    plus,
    product,
    trimmed,
    value,
)
from torchlean_check._schema import fail, fields
from torchlean_check._splines import Spline, difference, jumps, rational, read_spline

MAX_POWER = 12
MAX_TERMS = 60

Field = list[tuple[int, int, Fraction]]  # (i, j, c) for a term c t^i y^j


def read_field(entries, where: str) -> Field:
    if not 1 <= len(entries) <= MAX_TERMS:
        fail(where, f"1 to {MAX_TERMS} terms")
    field = []
    for k, (i, j, c) in enumerate(entries):
        if not (0 <= i <= MAX_POWER and 0 <= j <= MAX_POWER):
            fail(f"{where}[{k}]", f"powers must be in 0 .. {MAX_POWER}")
        field.append((i, j, rational(c, f"{where}[{k}]")))
    if len({(i, j) for i, j, _ in field}) != len(field):
        fail(where, "a power is repeated")
    return field


def along(field: Field, start: Fraction, p: Polynomial) -> Polynomial:
    """f(start + s, p(s)), as a polynomial in s."""
    powers = [[Fraction(1)]]
    for _ in range(max(j for _, j, _ in field)):
        powers.append(product(powers[-1], p))
    times = [[Fraction(1)]]
    for _ in range(max(i for i, _, _ in field)):
        times.append(product(times[-1], [start, Fraction(1)]))
    total: Polynomial = []
    for i, j, c in field:
        total = plus(total, product(times[i], powers[j]), c)
    return total


def check_corridor(document: dict) -> str:
    """The claim of a document, in words; NotProved if it does not follow."""
    document = fields(
        document,
        "corridor",
        format=str,
        version=int,
        field=[(int, int, str)],
        start=(str, str),
        lower=None,
        upper=None,
    )
    if document["version"] != 1:
        fail("version", "must be 1")
    field = read_field(document["field"], "field")
    lower, upper = (read_spline(document[k], k) for k in ("lower", "upper"))
    first, last = (rational(s, f"start[{k}]") for k, s in enumerate(document["start"]))
    if first > last:
        fail("start", "lo > hi")
    begin, end = lower.knots[0], lower.knots[-1]
    _require_order(lower, upper)
    _require_start(lower, upper, first, last)
    for spline, sign, name in ((lower, 1, "lower"), (upper, -1, "upper")):
        _require_inequality(spline, field, sign, name)
    terms = " + ".join(f"({c}) t^{i} y^{j}" for i, j, c in field)
    at_end = [value(s.pieces[-1], end - s.knots[-2]) for s in (lower, upper)]
    return (
        f"Every solution of y' = {terms} with y({begin}) between {first} and {last} "
        f"exists on [{begin}, {end}] and stays between the piecewise polynomials of "
        f"the file; y({end}) is between {at_end[0]} and {at_end[1]}. Assumed: nothing "
        "further."
    )


def _require_order(lower: Spline, upper: Spline):
    gap = difference(upper, lower)
    if gap is None:
        raise NotProved("lower and upper live on different intervals")
    for a, b, p in gap.intervals():
        at = negative_somewhere(p, Fraction(0), b - a)
        if at is not None:
            raise NotProved(f"lower > upper at t = {a + at}")


def _require_start(lower: Spline, upper: Spline, first, last):
    low, high = (value(s.pieces[0], Fraction(0)) for s in (lower, upper))
    if low > first or high < last:
        raise NotProved(f"the corridor starts as [{low}, {high}]")


def _require_inequality(spline: Spline, field: Field, sign: int, name: str):
    """sign (f(t, s) - s') >= 0 on pieces, and sign * jump <= 0 between them."""
    for k, (a, b, p) in enumerate(spline.intervals()):
        slack = plus(along(field, a, p), derivative(p), -1)
        at = negative_somewhere(trimmed(sign * c for c in slack), Fraction(0), b - a)
        if at is not None:
            raise NotProved(
                f"segment {k}: {name}' {'>' if sign > 0 else '<'} f(t, {name}) at t = "
                f"{a + at}, by {abs(value(slack, at))}",
                name,
            )
    for t, jump in jumps(spline, 0):
        if sign * jump > 0:
            raise NotProved(f"segments do not chain: a jump of {jump} at {t}", name)
