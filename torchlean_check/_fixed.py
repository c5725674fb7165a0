"""Intervals of real numbers, as pairs of integers in units of 2**-P, moved outward.

Sums and products of what the units hold are exact; everything else is enclosed. The
functions come from the files that enclose them for relaxations.
"""

from fractions import Fraction

from torchlean_check._errors import NotProved
from torchlean_check._exponential import Tanh, exp, log, logistic
from torchlean_check._special import Sine, pi

P = 96
ONE = 1 << P
LARGEST = 1 << (P + 400)  # beyond this nothing is derived, and time would be lost

Fixed = tuple[int, int]


def fixed(lo: Fraction, hi: Fraction | None = None) -> Fixed:
    hi = lo if hi is None else hi
    return (lo.numerator << P) // lo.denominator, -(
        (-hi.numerator << P) // hi.denominator
    )


def exact(x: int) -> Fraction:
    return Fraction(x, ONE)


def text(x: Fixed) -> str:
    """For people."""
    return f"[{float(exact(x[0])):.9g}, {float(exact(x[1])):.9g}]"


PI = pi(P)


def plus(x: Fixed, y: Fixed) -> Fixed:
    return x[0] + y[0], x[1] + y[1]


def minus(x: Fixed, y: Fixed) -> Fixed:
    return x[0] - y[1], x[1] - y[0]


def times(x: Fixed, y: Fixed) -> Fixed:
    ends = x[0] * y[0], x[0] * y[1], x[1] * y[0], x[1] * y[1]
    low, high = min(ends), max(ends)
    if high > LARGEST << P or low < -LARGEST << P:
        raise NotProved("the numbers grow beyond 2**400")
    return low >> P, -(-high >> P)


def over(x: Fixed, y: Fixed) -> Fixed:
    if y[0] <= 0 <= y[1]:
        raise NotProved(f"division by {text(y)}, which holds 0")
    ends = (
        [(a << P) // b for a in x for b in y],
        [-((-a << P) // b) for a in x for b in y],
    )
    return min(ends[0]), max(ends[1])


def power(x: Fixed, n: int) -> Fixed:
    """x**n for n >= 0; an even one is least at 0 if x holds it."""
    if n % 2 == 0 and x[0] < 0 < x[1]:
        x = 0, max(-x[0], x[1])
    low = high = (ONE, ONE)
    for _ in range(n):
        low, high = times(low, (x[0], x[0])), times(high, (x[1], x[1]))
    return min(low[0], high[0]), max(low[1], high[1])


def _log(x: Fixed) -> Fixed:
    if x[0] <= 0:
        raise NotProved(f"the logarithm of {text(x)}")
    return log(x[0], P)[0], log(x[1], P)[1]


def _sine(quarters: int):
    curve = Sine(quarters)
    return lambda x: curve.extent(x[0], x[1], P)


def _increasing(value):
    return lambda x: (value(x[0], P)[0], value(x[1], P)[1])


FUNCTIONS = {
    "exp": _increasing(exp),
    "log": _log,
    "sin": _sine(0),
    "cos": _sine(1),
    "tanh": _increasing(Tanh().value),
    "sigmoid": _increasing(logistic),
    "relu": lambda x: (max(x[0], 0), max(x[1], 0)),
}
