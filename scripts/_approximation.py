"""Fitting a polynomial to a function, and proving how far it is off.

`fit` interpolates at Chebyshev points in 140-digit arithmetic (mpmath) and rounds the
coefficients to the target format. `prove` knows nothing of how they were found: on each
of a few dozen pieces it expands function and polynomial as Taylor series in ball
arithmetic (Arb), the last coefficient over the whole piece, so that the difference is
bounded for every real number of the domain.
"""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise

import mpmath
import numpy as np
from flint import arb, arb_series, ctx

ORDER = 16  # terms of each Taylor expansion
MARGIN = 1.0000001
ctx.prec = 240
ctx.cap = ORDER  # python-flint cuts every series at this many terms


@dataclass(frozen=True)
class Approximation:
    """f(y) = base(x) + x**shift * p(x**power), x = argument(y), for y in [low, high].

    `point` and `series` are f for mpmath numbers and for Arb power series; `base` is a
    polynomial in x given by functions that return its coefficients, exact numbers such
    as 2/sqrt(pi). `goal` is the error of p, absolute, in units of u, that ends the
    search for a degree.

    `argument` is increasing, and the identity unless f is an inverse function: then
    both sides are given by the inverse's own variable. With `whole`, the bound is one
    of f, not of p.
    """

    point: Callable
    series: Callable
    low: float
    high: float
    shift: int = 0
    power: int = 1
    base: tuple = ()
    goal: float = 1.0
    argument: Callable = lambda y: y
    inverse: Callable = lambda x: x
    whole: bool = False

    def base_at(self, x):
        return sum((c(mpmath) * x**i for i, c in enumerate(self.base)), mpmath.mpf(0))


def rounded(value, dtype):
    """The float of `dtype` nearest to an mpmath number, as a Python float."""
    if dtype == "float64":
        return float(value)
    # Round once: through float64 only when that cannot double-round visibly for our
    # constants.
    return float(np.float32(float(value)))


def derive(a, dtype, unit):
    """`(coefficients, bound)`: the first degree whose proved error reaches the goal."""
    for degree in range(1, 48):
        coefficients = fit(a, degree, dtype)
        limit = a.goal * unit * max(1.0, abs(coefficients[0]))
        bound = prove(a, coefficients, limit)
        if bound <= limit:
            return coefficients, bound
    raise ValueError("no degree up to 47 reaches the goal")


def fit(a, degree, dtype):
    """Coefficients of p, rounded to `dtype`, lowest first."""
    with mpmath.workdps(140):
        # p is a function of v = x**power, on the image of the domain.
        low, high = mpmath.mpf(a.low), mpmath.mpf(a.high)
        low, high = a.argument(low), a.argument(high)
        if a.power == 2:
            low, high = mpmath.mpf(0) if a.low <= 0 else low**2, max(low**2, high**2)
        n = degree + 1
        nodes = [
            (low + high) / 2
            + (high - low) / 2 * mpmath.cospi(mpmath.mpf(2 * i + 1) / (2 * n))
            for i in range(n)
        ]
        values = []
        for v in nodes:
            x = v if a.power == 1 else mpmath.sqrt(v)
            x = x or mpmath.mpf(10) ** -20  # the quotient below has a limit at 0
            values.append((a.point(a.inverse(x)) - a.base_at(x)) / x**a.shift)
        return tuple(rounded(c, dtype) for c in _newton_to_monomial(nodes, values))


def _newton_to_monomial(nodes, values):
    """Coefficients of the interpolating polynomial, by divided differences."""
    n = len(nodes)
    table = list(values)
    for j in range(1, n):
        for i in range(n - 1, j - 1, -1):
            table[i] = (table[i] - table[i - 1]) / (nodes[i] - nodes[i - j])
    result = [mpmath.mpf(0)] * n
    for i in range(n - 1, -1, -1):
        shifted = [mpmath.mpf(0), *result[:-1]]
        result = [s - nodes[i] * r for s, r in zip(shifted, result, strict=True)]
        result[0] += table[i]
    return result


def prove(a, coefficients, limit):
    """A bound of |p(v) - exact| for all v of the domain, for these very coefficients.

    Infinite if it is not at most `limit`. A piece whose bound is too large is halved,
    unless the error at its centre alone is, or it has become too small.
    """
    todo, worst = list(_pieces(a, 128)), 0.0
    smallest = mpmath.mpf(a.high - a.low) / 2**14
    while todo:
        left, right = todo.pop()
        bound, at_centre = _prove_piece(a, coefficients, left, right)
        if bound <= limit:
            worst = max(worst, bound)
        elif at_centre > limit or right - left < smallest:
            return float("inf")
        else:
            middle = (left + right) / 2
            todo += [(left, middle), (middle, right)]
    return worst


def _pieces(a, count):
    """The domain in pieces; those that touch 0 are larger, see `_prove_piece`."""
    low, high = mpmath.mpf(a.low), mpmath.mpf(a.high)
    spans = [(low, high, count)]
    if a.shift and not a.whole:
        core = (high - low) / 8
        spans = [(mpmath.mpf(0), core, 1), (core, high, count)]
        if low < 0:
            spans += [(-core, mpmath.mpf(0), 1), (low, -core, count)]
    for left, right, n in spans:
        edges = [left + (right - left) * i / n for i in range(n + 1)]
        yield from pairwise(edges)


def _arb(x):
    return arb(mpmath.nstr(x, 60)) if not isinstance(x, int) else arb(x)


def _expand(a, coefficients, centre):
    """Taylor coefficients at a ball: f - base - x**shift p(x**power)."""
    y = arb_series([centre, 1], prec=ORDER)
    x = a.argument(y)
    v = x if a.power == 1 else x * x
    p = arb_series([arb(coefficients[-1])], prec=ORDER)
    for c in reversed(coefficients[:-1]):
        p = p * v + arb(c)
    for _ in range(a.shift):
        p = p * x
    base = arb_series([0], prec=ORDER)
    for i, c in enumerate(a.base):
        power = arb_series([1], prec=ORDER)
        for _ in range(i):
            power = power * x
        base = base + power * c(_Balls)
    difference = a.series(y) - base - p
    # Terms that were cut off would count as zeros below.
    assert difference.prec >= ORDER, "a Taylor expansion lost its last terms"
    terms = difference.coeffs()
    return terms + [arb(0)] * (ORDER - len(terms))


class _Balls:
    """The few names of mpmath that `base` uses, as Arb balls."""

    mpf = arb
    pi = arb.pi()  # at the precision set above
    sqrt = staticmethod(lambda x: arb(x).sqrt())
    exp = staticmethod(lambda x: arb(x).exp())
    erfc = staticmethod(lambda x: arb(x).erfc())


def _prove_piece(a, coefficients, left, right):
    """Bounds of the error on a piece and at its centre, which is 0 if the piece touches
    it.
    """
    touches_zero = left <= 0 <= right and not a.whole
    centre = mpmath.mpf(0) if touches_zero else (left + right) / 2
    radius = max(abs(left - centre), abs(right - centre)) * MARGIN
    at_centre = _expand(a, coefficients, _arb(centre))
    everywhere = _expand(a, coefficients, arb(_arb(centre).mid(), _arb(radius)))
    divisor, own, skip = arb(1), arb(1), 0
    if touches_zero:
        skip = a.shift
        # f and base agree to order `shift`: the terms that are skipped are 0 exactly.
        tiny = arb(2) ** -150
        assert all(c.contains(0) and c.rad() < tiny for c in at_centre[:skip])
        # y and x vanish together, and y / x is largest at the end of the domain.
        end = mpmath.mpf(a.high)
        divisor = own = (_arb(a.argument(end)) / _arb(end)) ** a.shift
    elif a.shift and not a.whole:
        nearest = min(abs(a.argument(left)), abs(a.argument(right))) / MARGIN
        divisor = _arb(nearest) ** a.shift
        own = abs(_arb(a.argument(centre))) ** a.shift
    h = _arb(radius)
    terms = [*at_centre[: ORDER - 1], everywhere[ORDER - 1]]
    total = sum((abs(c) * h**i for i, c in enumerate(terms[skip:])), arb(0))
    bounds = total / divisor, abs(at_centre[skip]) / own
    return tuple(float(bound.upper()) * MARGIN for bound in bounds)
