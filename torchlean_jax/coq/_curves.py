"""Lines around exp, logistic and tanh, as evidence for the decision of proofs/Smooth.v.

Found in floats and moved outward by more than floats lose: a line that is wrong all the
same costs a certificate. Whether it bounds the function is decided in Coq.
"""

import math
from dataclasses import dataclass

import numpy as np

from torchlean_check import _exponential, _smooth

BITS = 26  # of the ends of intervals
SLOPE_BITS = 22
ROOM = 2.0**-42  # of the numbers of which a level is made


def curve_name(step) -> str | None:
    """The function's name in proofs/Graph.v; None if it is not one of the three."""
    curve = step.curve if isinstance(step, _smooth.Smooth) else None
    if type(curve) is _exponential.Exp and curve.shift == 0:
        return "ExpCurve"
    if type(curve) is _exponential.Tanh:
        return "TanhCurve"
    return "LogisticCurve" if type(curve) is _exponential.Logistic else None


@dataclass(frozen=True)
class Side:
    """Lines slope * x + level, and where tangents touch: integers for each entry."""

    slope: np.ndarray
    level: np.ndarray
    touch: np.ndarray


@dataclass(frozen=True)
class Bends:
    """Of each entry lo, hi and the lines under and over the function between them.

    Units: 2**exp of lo, hi and touching points, 2**slope_exp of slopes, the product of
    both of levels.
    """

    exp: int
    slope_exp: int
    lo: np.ndarray
    hi: np.ndarray
    under: Side
    upper: Side

    def through(self, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Coefficients of the operand, and constants, of rows of values."""
        sides = (self.under, self.upper)
        slopes = [np.ldexp(s.slope.astype(float), self.slope_exp) for s in sides]
        unit = self.exp + self.slope_exp
        levels = [np.ldexp(s.level.astype(float), unit) for s in sides]
        slope, level = (np.where(rows >= 0, *pair) for pair in (slopes, levels))
        return rows * slope, (rows * level).sum(axis=1)


def bends(curve: str, low: np.ndarray, high: np.ndarray) -> Bends:
    """Lines around `curve` on [low, high], entry by entry."""
    reach = max(np.abs(low).max(), np.abs(high).max(), 2.0**-60)
    exp = math.frexp(reach)[1] - BITS
    lo = np.floor(np.ldexp(low, -exp)).astype(np.int64) - 1
    hi = np.ceil(np.ldexp(high, -exp)).astype(np.int64) + 1
    first, last = (np.ldexp(x.astype(float), exp) for x in (lo, hi))
    found = [_under(curve, first, last), _upper(curve, first, last)]
    steepest = max(np.abs(slope).max() for slope, _ in found)
    slope_exp = math.frexp(max(steepest, 2.0**-60))[1] - SLOPE_BITS
    sides = []
    for over, (slope, touch) in zip((True, False), found, strict=True):
        ends = _tangent_ends(curve, over, first, last)
        touch = np.clip(touch, *ends)  # the ends are multiples of 2**exp
        touch = np.round(np.ldexp(touch, -exp)).astype(np.int64)
        slope = np.round(np.ldexp(slope, -slope_exp)).astype(np.int64)
        line = np.ldexp(slope.astype(float), slope_exp)
        at = np.ldexp(touch.astype(float), exp)
        level = np.ldexp(_level(curve, over, first, last, line, at), -exp - slope_exp)
        level = np.floor(level) if over else np.ceil(level)
        sides.append(Side(slope, level.astype(np.int64), touch))
    return Bends(exp, slope_exp, lo, hi, *sides)


def _value(curve: str, x: np.ndarray) -> np.ndarray:
    if curve == "ExpCurve":
        return np.exp(x)
    return np.tanh(x) if curve == "TanhCurve" else (1 + np.tanh(x / 2)) / 2


def _slope(curve: str, x: np.ndarray) -> np.ndarray:
    y = _value(curve, x)
    if curve == "ExpCurve":
        return y
    return 1 - y * y if curve == "TanhCurve" else y * (1 - y)


def _tangent_ends(curve: str, over: bool, first, last) -> tuple:
    """Where tangents bound: the convex piece from below, the concave one from above."""
    if curve == "ExpCurve":
        return first, last
    return (first, np.minimum(last, 0)) if over else (np.maximum(first, 0), last)


def _chord(curve: str, first, last) -> np.ndarray:
    return (_value(curve, last) - _value(curve, first)) / (last - first)


def _under(curve: str, first, last) -> tuple[np.ndarray, np.ndarray]:
    """Slopes of lower lines, and where they touch the convex piece.

    A tangent in the middle, or as far left as it has to be to pass under the far end of
    a concave piece; if none does, the line through both ends.
    """
    middle = (first + last) / 2
    if curve == "ExpCurve":
        return _slope(curve, middle), middle
    left, right = first, np.minimum(middle, 0)

    def passes(x):
        tangent = _value(curve, x) + _slope(curve, x) * (last - x)
        return (tangent <= _value(curve, last)) | (last <= 0)

    for _ in range(40):
        between = (left + right) / 2
        good = passes(between)
        left, right = np.where(good, between, left), np.where(good, right, between)
    touch = np.where(last <= 0, middle, left)
    tangent = (first < 0) & passes(touch)
    chord = _chord(curve, first, last)
    return np.where(tangent, _slope(curve, touch), chord), touch


def _upper(curve: str, first, last) -> tuple[np.ndarray, np.ndarray]:
    """Turned by half a turn, tanh and logistic are themselves (but for a constant)."""
    if curve == "ExpCurve":
        return _chord(curve, first, last), first
    slope, touch = _under(curve, -last, -first)
    return slope, -touch


def _level(curve: str, over: bool, first, last, slope, touch) -> np.ndarray:
    """The best value at 0 of lines with these slopes, by the tests of Smooth.v."""
    sign = 1 if over else -1

    def value(x):
        return _value(curve, x)

    def tangent(x):
        return _value(curve, touch) + _slope(curve, touch) * (x - touch)

    pieces = [(tangent, *_tangent_ends(curve, over, first, last))]
    if curve != "ExpCurve":
        pieces.append((value, *_tangent_ends(curve, not over, first, last)))
    elif not over:
        pieces = [(value, first, last)]
    best = np.full_like(first, np.inf)
    for bound, start, end in pieces:
        least = np.minimum(*(sign * (bound(x) - slope * x) for x in (start, end)))
        best = np.where(start <= end, np.minimum(best, least), best)
    reach = np.maximum(np.abs(first), np.abs(last))
    return sign * (best - ROOM * (1 + np.abs(best) + np.abs(slope) * reach))
