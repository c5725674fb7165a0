"""Corridors: a sub- and a super-solution of y' = f(t, y), with a certificate.

Whether two piecewise polynomials are one is decided by `torchlean_check._corridors`;
here they are found: around a cubic spline along an approximate trajectory, as narrow as
its defect and the field let them be. How they are found is free.
"""

import itertools
import time
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import torchlean_check
from torchlean_check._container import canonical_json
from torchlean_jax.domains._errors import InputError
from torchlean_jax.science._spline import Spline, exact

Field = Mapping[tuple[int, int], Any]
_GRID = 2**40  # coefficients are multiples of 1 / this, so that they stay short


@dataclass(frozen=True)
class Corridor:
    """Two splines between which every solution from `start` stays, if `proved`.

    status: "proved", or "refuted" when an inequality fails, with the reason. document:
    the certificate, which `torchlean-check` decides again.
    """

    lower: Spline
    upper: Spline
    status: str
    reason: str
    claim: str
    document: bytes
    seconds: float

    @property
    def width(self) -> float:
        """At the end."""
        last = self.upper.knots[-1]
        return float(self.upper(last) - self.lower(last))

    def save(self, path) -> None:
        with open(path, "wb") as stream:
            stream.write(self.document)


def check_corridor(field: Field, start, lower: Spline, upper: Spline) -> Corridor:
    """Decide whether solutions of y' = f(t, y) from `start` stay between two splines.

    field: {(i, j): c} for the sum of c t^i y^j. start: (lo, hi), of y at the first
    knot. The splines may come from networks of time (`Spline.from_network`).

    Raises InputError for a field or splines that cannot be stated.

    >>> zero, one = Spline([0, 9], [[0]]), Spline([0, 9], [[1]])
    >>> check_corridor({(0, 1): 1, (0, 2): -1}, (0.1, 0.9), zero, one).status
    'proved'
    """
    began = time.perf_counter()
    terms = [[i, j, str(exact(c))] for (i, j), c in sorted(field.items())]
    document = canonical_json(
        {
            "format": "torchlean-corridor",
            "version": 1,
            "field": terms,
            "start": [str(exact(v)) for v in start],
            "lower": lower.plain(),
            "upper": upper.plain(),
        }
    )
    try:
        report = torchlean_check.check(document)
    except torchlean_check.CertificateError as error:
        raise InputError(f"the corridor cannot be stated: {error}") from error
    status = "proved" if report.accepted else "refuted"
    seconds = time.perf_counter() - began
    return Corridor(
        *(lower, upper, status, report.reason, report.claim, document, seconds)
    )


def corridor(field: Field, start, end, *, pieces: int = 64, begin=0) -> Corridor:
    """A narrow corridor for the solutions of y' = f(t, y) that start in [lo, hi].

    A solution is followed by Runge and Kutta's method from the middle; both sides are
    its spline, moved by a width that grows as the field and the spline's defect demand.
    Where that cannot work (a solution that escapes to infinity), the result is
    `refuted`, with the segment at fault.
    """
    began = time.perf_counter()
    lo, hi = map(exact, start)
    first, last = exact(begin), exact(end)
    if not (lo <= hi and first < last and pieces >= 1 and field):
        raise InputError(
            f"a corridor needs lo <= hi, begin < end, pieces and a field; got {start}, "
            f"[{begin}, {end}], {pieces}"
        )
    terms = {key: exact(c) for key, c in field.items()}
    step = (last - first) / pieces
    times = [first + k * step for k in range(pieces + 1)]
    values = _followed(terms, times, (lo + hi) / 2)
    slopes = [_field(terms, t, y) for t, y in zip(times, values, strict=True)]
    middle = _hermite(times, values, slopes)
    width = (hi - lo) / 2 + Fraction(1, _GRID)  # the middle was shortened
    lower, upper = (_moved(middle, terms, width, sign) for sign in (-1, 1))
    found = check_corridor(field, start, lower, upper)
    return Corridor(
        *(lower, upper, found.status, found.reason, found.claim, found.document),
        time.perf_counter() - began,
    )


def _short(x: Fraction) -> Fraction:
    return Fraction(round(x * _GRID), _GRID)


def _field(terms, t, y):
    return sum((c * t**i * y**j for (i, j), c in terms.items()), 0 * t)


def _followed(terms, times, y):
    """Classical Runge-Kutta in floats, eight steps to a piece."""
    plain = {key: float(c) for key, c in terms.items()}
    values, now = [_short(y)], float(y)
    for a, b in itertools.pairwise(times):
        t, h = float(a), float(b - a) / 8
        for _ in range(8):
            k1 = _field(plain, t, now)
            k2 = _field(plain, t + h / 2, now + h / 2 * k1)
            k3 = _field(plain, t + h / 2, now + h / 2 * k2)
            k4 = _field(plain, t + h, now + h * k3)
            now, t = now + h / 6 * (k1 + 2 * k2 + 2 * k3 + k4), t + h
            if not abs(now) < 1e12:
                raise InputError(f"the solution escapes near t = {t:.6g}")
        values.append(_short(Fraction(now)))
    return values


def _hermite(times, values, slopes) -> Spline:
    pieces = []
    for k in range(len(times) - 1):
        h = times[k + 1] - times[k]
        secant = (values[k + 1] - values[k]) / h
        a, b = slopes[k], slopes[k + 1]
        pieces.append(
            (values[k], a, (3 * secant - 2 * a - b) / h, (a + b - 2 * secant) / h**2)
        )
    return Spline(tuple(times), tuple(pieces))


def _moved(middle: Spline, terms, width: Fraction, sign: int) -> Spline:
    """The spline plus sign * w, w linear on each piece and continuous.

    w' has to exceed what the field does across w and the spline's defect, which are
    looked at at a few points of the piece, with a tenth to spare. The checker decides.
    """
    pieces = []
    for a, b, p in zip(middle.knots, middle.knots[1:], middle.pieces, strict=False):
        h, rise = b - a, Fraction(0)
        for _ in range(4):  # w' depends on w, hence on itself
            needed = []
            for k in range(13):
                s = h * k / 12
                y = sum((c * s**i for i, c in enumerate(p)), Fraction(0))
                own = sum((i * c * s ** (i - 1) for i, c in enumerate(p) if i), 0 * s)
                moved = y + sign * (width + rise * s)
                needed.append(sign * (_field(terms, a + s, moved) - own))
            spare = (max(needed) - min(needed)) / 10 + Fraction(2, _GRID)
            rise = _short(max(needed) + spare)
        if width + rise * h < 0:
            rise = -width / h
        constant, slope, *rest = [*p, Fraction(0), Fraction(0)][: max(len(p), 2)]
        pieces.append((constant + sign * width, slope + sign * rise, *rest))
        width += rise * h
    return Spline(middle.knots, tuple(pieces))
