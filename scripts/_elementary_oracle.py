"""The correctly rounded result, from Arb's balls, and how close a midpoint lies.

Knows nothing of `domains/ieee32`: the rounding is done on exact fractions.
"""

from dataclasses import dataclass
from fractions import Fraction

from flint import arb, ctx

SIGN, INFINITY, QUIET_NAN = 0x80000000, 0x7F800000, 0x7FC00000
_OVERFLOW = Fraction(2**128 - 2**103)

FUNCTIONS = {
    "exp": lambda x: x.exp(),
    "exp2": lambda x: (x * arb(2).log()).exp(),
    "expm1": lambda x: x.expm1(),
    "log": lambda x: x.log(),
    "log1p": lambda x: x.log1p(),
    "log2": lambda x: x.log() / arb(2).log(),
    "tanh": lambda x: x.tanh(),
    "logistic": lambda x: 1 / (1 + (-x).exp()),
    "erf": lambda x: x.erf(),
    "erfc": lambda x: x.erfc(),
    "sin": lambda x: x.sin(),
    "cos": lambda x: x.cos(),
    "tan": lambda x: x.tan(),
    "sqrt": lambda x: x.sqrt(),
    "rsqrt": lambda x: x.rsqrt(),
    "cbrt": lambda x: x.root(3) if x > 0 else -((-x).root(3)),
    "sinh": lambda x: x.sinh(),
    "cosh": lambda x: x.cosh(),
    "asin": lambda x: x.asin(),
    "acos": lambda x: x.acos(),
    "atan": lambda x: x.atan(),
    "asinh": lambda x: x.asinh(),
    "acosh": lambda x: x.acosh(),
    "atanh": lambda x: x.atanh(),
}


@dataclass(frozen=True)
class Settled:
    """The correctly rounded result of one input, and its distance from the nearest
    midpoint in units of 2**-53 of the exact result (a lower bound).
    """

    bits: int
    distance: float


def value_of(bits):
    """The exact value of the pattern of a finite number."""
    exponent, fraction = bits >> 23 & 0xFF, bits & 0x7FFFFF
    significand = fraction | 0x800000 if exponent else fraction
    value = Fraction(significand) * Fraction(2) ** (max(exponent, 1) - 150)
    return -value if bits & SIGN else value


def nearest(value):
    """The pattern nearest to a fraction, ties to even."""
    sign, size = (SIGN if value < 0 else 0), abs(value)
    if size >= _OVERFLOW:
        return sign | INFINITY
    exponent = max(_floor_log2(size), -126) if size else -126
    units = round(size / Fraction(2) ** (exponent - 23))  # to even
    return sign | ((exponent + 126 << 23) + units)


def _floor_log2(size):
    estimate = size.numerator.bit_length() - size.denominator.bit_length()
    return estimate if size >= Fraction(2) ** estimate else estimate - 1


def _midpoints(bits):
    """The midpoints below and above a magnitude's pattern."""
    size = bits & ~SIGN
    own = value_of(size) if size < INFINITY else Fraction(2) ** 128
    below = (value_of(size - 1) + own) / 2 if size else None
    above = None if size >= INFINITY else (_after(size) + own) / 2
    return [m for m in (below, above) if m is not None]


def _after(size):
    return Fraction(2) ** 128 if size + 1 == INFINITY else value_of(size + 1)


def _fraction(x):
    """A ball's end as a fraction; one far out of range, as one out of range."""
    mantissa, exponent = (int(part) for part in x.man_exp())
    size = exponent + abs(mantissa).bit_length()
    if mantissa and abs(size) > 200:
        mantissa, exponent = (1 if mantissa > 0 else -1), (200 if size > 0 else -200)
    return Fraction(mantissa) * Fraction(2) ** exponent


def _exactly(name, x):
    """The exact result where it can lie midway between two binary32 numbers.

    2**x for an integer x. The other functions never hit a midpoint: an algebraic one
    would be a root with 25 bits of a number of 24, a transcendental one an exact value
    that theorems of Lindemann and of Gelfond and Schneider exclude; exact results such
    as log2(8) are binary32 numbers themselves.
    """
    if name == "exp2" and x.denominator == 1:
        return Fraction(2) ** max(min(int(x), 200), -200)
    return None


def settle(name, bits):
    """The `Settled` result of the input `bits`, a finite number of the domain."""
    x = value_of(bits)
    value = _exactly(name, x)
    if value is not None:
        return _settled(value, value, value)
    precision = ctx.prec
    try:
        for ctx.prec in (128, 256, 512, 1024, 2048):
            argument = arb(x.numerator) / x.denominator  # a power of two: exact
            ball = FUNCTIONS[name](argument)
            if not ball.is_finite():
                continue
            low, high = _fraction(ball.lower()), _fraction(ball.upper())
            if nearest(low) == nearest(high):
                return _settled(low, high, _fraction(ball.mid()))
    finally:
        ctx.prec = precision
    raise ArithmeticError(f"{name}({bits:#010x}) is not decided by 2048 bits")


def _settled(low, high, middle):
    bits = nearest(middle)
    size = max(abs(low), abs(high)) or Fraction(1)
    distances = []
    for midpoint in _midpoints(bits):
        ends = (abs(abs(low) - midpoint), abs(abs(high) - midpoint))
        distances.append(min(ends) / size * 2**53)
    return Settled(bits, float(min(distances)))
