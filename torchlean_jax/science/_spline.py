"""Splines with exact coefficients, and claims about them that are decided.

Every coefficient is a rational number: a binary float is one, so a spline from scipy is
taken as it is, rounding errors of its construction included. Splines built here from
data (`natural`, `monotone`, `bspline`) have no rounding errors at all. Deciding is the
work of the checker, `torchlean_check`; here is how splines and claims come about.
"""

import itertools
import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import jax
import numpy as np

import torchlean_check
from torchlean_check._container import canonical_json
from torchlean_check._polynomials import (
    derivative,
    negative_somewhere,
    plus,
    trimmed,
    value,
)
from torchlean_jax.domains._errors import InputError
from torchlean_jax.science._hats import HatNetwork
from torchlean_jax.science._program import written

SHAPES = ("increasing", "decreasing", "convex", "concave")


@dataclass(frozen=True)
class SplineClaim:
    """A claim about a spline: `proved` or `refuted`, since it is decided exactly, but
    for the distance to a function, which may be `unknown` after many cells.

    reason: where the claim fails. document: the certificate, one JSON document that
    `torchlean-check` re-decides with nothing but the standard library.
    """

    status: str
    reason: str
    claim: str
    document: bytes

    def save(self, path) -> None:
        with open(path, "wb") as stream:
            stream.write(self.document)


@dataclass(frozen=True)
class Spline:
    """A piecewise polynomial on [knots[0], knots[-1]] with rational coefficients.

    pieces[k]: coefficients of the powers of x - knots[k], constant first, on [knots[k],
    knots[k + 1]].

    >>> s = Spline.natural([0, 1, 2, 3], [0, 1, 0, 2])
    >>> s.prove(continuous=2, interpolates=([0, 1, 2, 3], [0, 1, 0, 2])).status
    'proved'
    >>> s.prove(shape="increasing").status
    'refuted'
    """

    knots: tuple[Fraction, ...]
    pieces: tuple[tuple[Fraction, ...], ...]

    def __post_init__(self):
        object.__setattr__(self, "knots", tuple(map(exact, self.knots)))
        pieces = tuple(tuple(trimmed(map(exact, p))) for p in self.pieces)
        object.__setattr__(self, "pieces", pieces)
        _require_increasing(self.knots)
        if len(pieces) != len(self.knots) - 1:
            raise InputError(
                f"{len(self.knots)} knots need {len(self.knots) - 1} pieces; got "
                f"{len(pieces)}"
            )

    @classmethod
    def from_scipy(cls, spline) -> "Spline":
        """A scipy `PPoly` (CubicSpline, PchipInterpolator, Akima1DInterpolator...), its
        floats taken as exact; a `BSpline` is expanded exactly.

        Raises InputError for one with vector values, or anything else.
        """
        if hasattr(spline, "t") and hasattr(spline, "k"):
            return cls.bspline(spline.t, spline.c, spline.k)
        c, x = getattr(spline, "c", None), getattr(spline, "x", None)
        if c is None or x is None or np.ndim(c) != 2:
            raise InputError(
                "a scipy PPoly or BSpline with scalar values is needed; got "
                f"{type(spline).__name__}"
            )
        return cls(tuple(x), tuple(tuple(column[::-1]) for column in np.asarray(c).T))

    @classmethod
    def natural(cls, x: Iterable, y: Iterable) -> "Spline":
        """The interpolating cubic spline with second derivative 0 at both ends."""
        x, y, h, slope = _data(x, y)
        second = _tridiagonal(
            [2 * (a + b) for a, b in itertools.pairwise(h)],
            h[1:-1],
            [6 * (b - a) for a, b in itertools.pairwise(slope)],
        )
        m = [Fraction(0), *second, Fraction(0)]
        pieces = [
            (y[k], slope[k] - h[k] * (2 * m[k] + m[k + 1]) / 6, m[k] / 2,
             (m[k + 1] - m[k]) / (6 * h[k]))
            for k in range(len(h))
        ]  # fmt: skip
        return cls(tuple(x), tuple(pieces))

    @classmethod
    def monotone(cls, x: Iterable, y: Iterable) -> "Spline":
        """A cubic Hermite spline that rises and falls only where the data do.

        Source: Fritsch and Butland 1984 (SIAM J. Sci. Stat. Comput. 5), eq. 3, inside;
        the slope of the first (last) secant, at most thrice it, at the ends.
        """
        x, y, h, slope = _data(x, y)
        tangents = [slope[0]]
        pairs = map(itertools.pairwise, (h, slope))
        for (a, b), (s, t) in zip(*pairs, strict=True):
            w, v = 2 * b + a, b + 2 * a
            tangents.append((w + v) / (w / s + v / t) if s * t > 0 else Fraction(0))
        tangents.append(slope[-1])
        pieces = [
            (y[k], tangents[k],
             (3 * slope[k] - 2 * tangents[k] - tangents[k + 1]) / h[k],
             (tangents[k] + tangents[k + 1] - 2 * slope[k]) / h[k] ** 2)
            for k in range(len(h))
        ]  # fmt: skip
        return cls(tuple(x), tuple(pieces))

    @classmethod
    def bspline(cls, t: Iterable, c: Iterable, degree: int) -> "Spline":
        """sum_j c[j] B_j of the knots t, on [t[degree], t[-degree - 1]]: an edge of a
        Kolmogorov-Arnold network, say.

        Expanded by the recursion of Cox and de Boor, on polynomials.
        """
        t, c = [exact(v) for v in t], [exact(v) for v in c]
        count = len(t) - degree - 1
        if degree < 0 or count <= degree or len(c) < count:
            raise InputError(
                f"a B-spline of degree {degree} with {len(t)} knots needs at least "
                f"{max(count, degree + 1)} coefficients and {2 * degree + 2} knots; "
                f"got {len(c)} coefficients"
            )
        if any(a > b for a, b in itertools.pairwise(t)):
            raise InputError("the knots of a B-spline must not decrease")
        spans = [j for j in range(degree, count) if t[j] < t[j + 1]]
        if not spans:
            raise InputError("the knots of a B-spline must span an interval")
        pieces = [_de_boor(t, c, degree, j) for j in spans]
        return cls((*(t[j] for j in spans), t[spans[-1] + 1]), tuple(pieces))

    @classmethod
    def from_network(cls, network: HatNetwork) -> "Spline":
        """A network of one input as the piecewise linear function that it is over the
        reals, between its first and its last node."""
        if network.values.ndim != 1:
            raise InputError(f"one input is needed; got {network.values.ndim}")
        x, y = network.nodes(0), [exact(v) for v in network.values.tolist()]
        pairs = zip(*map(itertools.pairwise, (x, y)), strict=True)
        return cls(tuple(x), tuple((c, (d - c) / (b - a)) for (a, b), (c, d) in pairs))

    def __call__(self, x) -> Fraction:
        """The exact value at a number inside the knots; from the left at a knot."""
        x = exact(x)
        for a, b, p in zip(self.knots, self.knots[1:], self.pieces, strict=False):
            if a <= x <= b:
                return value(list(p), x - a)
        raise InputError(f"{x} is outside of [{self.knots[0]}, {self.knots[-1]}]")

    def jump(self, order: int) -> Fraction:
        """The largest jump of a derivative at an inner knot, in magnitude."""
        own = [derivative(list(p), order) for p in self.pieces]
        sides = zip(self.knots, self.knots[1:], own, own[1:], strict=False)
        jumps = [abs(value(p, b - a) - value(q, Fraction(0))) for a, b, p, q in sides]
        return max(jumps, default=Fraction(0))

    def derivative(self) -> "Spline":
        """Piece by piece, whatever happens at the knots."""
        pieces = tuple(tuple(derivative(list(p))) for p in self.pieces)
        return Spline(self.knots, pieces)

    def extent(self, bits: int = 20) -> tuple[Fraction, Fraction]:
        """(lo, hi) that hold every value, and none more than 2^-bits tighter does."""
        return -self._above(-1, bits), self._above(1, bits)

    def _above(self, sign: int, bits: int) -> Fraction:
        """Above all values, times the sign, by bisection."""
        unit, first = Fraction(1, 2**bits), value(list(self.pieces[0]), Fraction(0))
        low, high, step = math.floor(sign * first / unit), None, 1
        while high is None or high - low > 1:
            at = low + step if high is None else (low + high) // 2
            if self._below(sign, at * unit):
                high = at
            else:
                low, step = at, 2 * step
        return high * unit

    def _below(self, sign: int, most: Fraction) -> bool:
        gaps = [plus([most], list(p), -sign) for p in self.pieces]
        spans = [b - a for a, b in itertools.pairwise(self.knots)]
        found = map(negative_somewhere, gaps, itertools.repeat(Fraction(0)), spans)
        return all(at is None for at in found)

    def prove(
        self,
        *,
        continuous: int | None = None,
        tolerance: Any = 0,
        interpolates: tuple[Iterable, Iterable] | None = None,
        shape: str | Sequence[str] = (),
        between: tuple[Any, Any] | None = None,
        near: tuple["Spline | Callable", Any] | None = None,
    ) -> SplineClaim:
        """Decide the conjunction of claims about this spline.

        continuous: with so many derivatives; interpolates: (x, y), both within
        `tolerance`. shape: "increasing", "decreasing", "convex", "concave", not
        strictly. between: (lo, hi), which holds every value. near: (other, distance),
        to another spline, or to a JAX function of a scalar, of exp, log, tanh,
        logistic, sin, cos, sums, products and quotients.

        >>> import jax.numpy as jnp
        >>> parabola = Spline([-1, 1], [[Fraction(1, 2), 1, Fraction(-1, 2)]])
        >>> parabola.prove(near=(jnp.cos, 0.5)).status
        'proved'
        """
        within = str(exact(tolerance))
        claims: list[dict] = []
        if continuous is not None:
            claims.append(
                {"kind": "continuous", "order": continuous, "tolerance": within}
            )
        if interpolates is not None:
            x, y = map(list, interpolates)
            if len(x) != len(y):
                raise InputError(f"{len(x)} points, but {len(y)} values")
            pairs = [[_text(a), _text(b)] for a, b in zip(x, y, strict=True)]
            claims.append(
                {"kind": "interpolates", "points": pairs, "tolerance": within}
            )
        for kind in (shape,) if isinstance(shape, str) else shape:
            if kind not in SHAPES:
                raise InputError(f"a shape is one of {', '.join(SHAPES)}; got {kind!r}")
            claims.append({"kind": kind})
        if between is not None:
            lo, hi = map(_text, between)
            claims.append({"kind": "range", "lo": lo, "hi": hi})
        if near is not None:
            other, distance = near
            claims.append(_near(other) | {"distance": _text(distance)})
        if not claims:
            raise InputError("nothing is claimed: give at least one keyword")
        return _decided(self.plain(), claims)

    def plain(self) -> dict:
        pieces = [[str(c) for c in p] for p in self.pieces]
        return {"knots": [str(x) for x in self.knots], "pieces": pieces}


def _near(other: Spline | Callable) -> dict:
    if isinstance(other, Spline):
        return {"kind": "near", "other": other.plain()}
    with jax.enable_x64(True):
        return {"kind": "follows", "function": written(other, [()])}


def _decided(plain, claims) -> SplineClaim:
    document = canonical_json(
        {"format": "torchlean-spline", "version": 1, "spline": plain, "claims": claims}
    )
    try:
        report = torchlean_check.check(document)
    except torchlean_check.CertificateError as error:
        raise InputError(f"the claim cannot be stated: {error}") from error
    failed = "unknown" if ": not decided" in report.reason else "refuted"
    status = "proved" if report.accepted else failed
    return SplineClaim(status, report.reason, report.claim, document)


def exact(number) -> Fraction:
    """A rational from an int, a Fraction, a string such as "1/3" or a finite float."""
    try:
        if isinstance(number, int | str | Fraction):
            return Fraction(number)
        return Fraction(float(number))
    except (ValueError, OverflowError, TypeError, ZeroDivisionError) as error:
        raise InputError(f"{number!r} is not a finite rational number") from error


def _text(number) -> str:
    return str(exact(number))


def _require_increasing(x):
    if len(x) < 2 or any(a >= b for a, b in itertools.pairwise(x)):
        raise InputError("at least two knots, which must increase, are needed")


def _data(x, y):
    """(x, y, spacings, slopes of secants), exact and checked."""
    x, y = [exact(v) for v in x], [exact(v) for v in y]
    if len(x) != len(y):
        raise InputError(f"{len(x)} knots, but {len(y)} values")
    _require_increasing(x)
    h = [b - a for a, b in itertools.pairwise(x)]
    slope = [(b - a) / d for a, b, d in zip(y, y[1:], h, strict=False)]
    return x, y, h, slope


def _tridiagonal(diagonal, beside, right):
    """The solution of a symmetric tridiagonal system, by elimination."""
    diagonal, right = list(diagonal), list(right)
    for k, off in enumerate(beside):
        factor = off / diagonal[k]
        diagonal[k + 1] -= factor * off
        right[k + 1] -= factor * right[k]
    for k in range(len(right) - 1, -1, -1):
        if k + 1 < len(right):
            right[k] -= beside[k] * right[k + 1]
        right[k] /= diagonal[k]
    return right


def _de_boor(t, c, degree, j):
    """The polynomial of sum c B on [t[j], t[j + 1]], in powers of x - t[j]."""
    points = [[c[j - degree + k]] for k in range(degree + 1)]
    for level in range(1, degree + 1):
        for k in range(degree, level - 1, -1):
            a, b = t[j - degree + k], t[j + 1 + k - level]
            # (b - x) / (b - a) of the one before, (x - a) / (b - a) of this one
            rising = [(t[j] - a) / (b - a), 1 / (b - a)]
            gap = plus(points[k], points[k - 1], -1)
            points[k] = plus(points[k - 1], _product(rising, gap))
    return tuple(points[degree])


def _product(linear, p):
    constant, slope = linear
    return plus([constant * v for v in p], [Fraction(0), *(slope * v for v in p)])
