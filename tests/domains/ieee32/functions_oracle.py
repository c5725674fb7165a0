"""The correctly rounded results of functions, by mpmath and fractions, and hard inputs.

Nothing here knows how the functions are computed. A result is the nearer of two
neighbouring binary32 numbers, compared with the exact value as fractions; 80 digits
leave no doubt, since no result but an exact tie is closer than 2**-60 to a midpoint.
"""

import functools
from fractions import Fraction

import mpmath
import numpy as np

DIGITS = 80
QUIET_NAN, INFINITY, SIGN = 0x7FC00000, 0x7F800000, 0x80000000
_OVERFLOW = Fraction(2**128 - 2**103)


def _cbrt(x):
    return mpmath.cbrt(x) if x >= 0 else -mpmath.cbrt(-x)


# f, where it is real, and its values at -inf and inf.
NAN, INF, ZERO, ONE = float("nan"), float("inf"), 0.0, 1.0
HALF_PI, PI = np.float32(np.pi / 2), np.float32(np.pi)
ANYWHERE = (-INF, INF)
FUNCTIONS = {
    "exp": (mpmath.exp, ANYWHERE, ZERO, INF),
    "exp2": (lambda x: mpmath.mpf(2) ** x, ANYWHERE, ZERO, INF),
    "expm1": (mpmath.expm1, ANYWHERE, -ONE, INF),
    "log": (mpmath.log, (0, INF), NAN, INF),
    "log1p": (mpmath.log1p, (-1, INF), NAN, INF),
    "log2": (lambda x: mpmath.log(x) / mpmath.log(2), (0, INF), NAN, INF),
    "tanh": (mpmath.tanh, ANYWHERE, -ONE, ONE),
    "logistic": (lambda x: 1 / (1 + mpmath.exp(-x)), ANYWHERE, ZERO, ONE),
    "erf": (mpmath.erf, ANYWHERE, -ONE, ONE),
    "erfc": (mpmath.erfc, ANYWHERE, 2.0, ZERO),
    "sin": (mpmath.sin, ANYWHERE, NAN, NAN),
    "cos": (mpmath.cos, ANYWHERE, NAN, NAN),
    "tan": (mpmath.tan, ANYWHERE, NAN, NAN),
    "sqrt": (mpmath.sqrt, (0, INF), NAN, INF),
    "rsqrt": (lambda x: 1 / mpmath.sqrt(x), (0, INF), NAN, ZERO),
    "cbrt": (_cbrt, ANYWHERE, -INF, INF),
    "sinh": (mpmath.sinh, ANYWHERE, -INF, INF),
    "cosh": (mpmath.cosh, ANYWHERE, INF, INF),
    "asin": (mpmath.asin, (-1, 1), NAN, NAN),
    "acos": (mpmath.acos, (-1, 1), NAN, NAN),
    "atan": (mpmath.atan, ANYWHERE, -HALF_PI, HALF_PI),
    "asinh": (mpmath.asinh, ANYWHERE, -INF, INF),
    "acosh": (mpmath.acosh, (1, INF), NAN, INF),
    "atanh": (mpmath.atanh, (-1, 1), NAN, NAN),
}
# Poles, and zeros whose sign is that of a zero argument.
EXCEPTIONS = {
    "log": {0: -INF},
    "log2": {0: -INF},
    "log1p": {-1: -INF},
    "rsqrt": {0: INF},
    "atanh": {1: INF, -1: -INF},
}
# These keep the sign of a zero.
FROM_ZERO_TO_ZERO = (
    "expm1 log1p tanh erf sin tan sqrt cbrt sinh asin atan asinh atanh".split()
)


def pattern(x):
    """The bits of a float that is a binary32 number."""
    return int(np.float32(x).view(np.uint32))


def value_of(bits):
    """The float of a pattern."""
    return float(np.uint32(bits).view(np.float32))


def fraction(x):
    """An mpmath number as a fraction; one far out of range, as one out of range."""
    if abs(x) > 2**200 or 0 < abs(x) < mpmath.mpf(2) ** -200:
        x = mpmath.sign(x) * mpmath.mpf(2) ** (200 if abs(x) > 1 else -200)
    sign, mantissa, exponent, _ = x._mpf_
    return Fraction((-1) ** sign * int(mantissa)) * Fraction(2) ** exponent


def nearest(exact):
    """The pattern of the binary32 number nearest to a fraction, ties to even."""
    if abs(exact) >= _OVERFLOW:
        return INFINITY | (SIGN if exact < 0 else 0)
    largest = np.finfo(np.float32).max
    guess = np.float32(min(max(float(exact), -largest), largest))
    around = [guess, np.nextafter(guess, np.float32(INF))]
    around.append(np.nextafter(guess, np.float32(-INF)))
    candidates = [float(c) for c in around if np.isfinite(c)]
    best = min(candidates, key=lambda c: (abs(Fraction(c) - exact), pattern(c) & 1))
    return pattern(np.copysign(best, float(exact)))


@functools.cache
def exact(name, bits):
    """f at a finite number of its domain, as an mpmath number; else None."""
    x = value_of(bits)
    function, (low, high), *_ = FUNCTIONS[name]
    if not (np.isfinite(x) and low <= x <= high) or x in EXCEPTIONS.get(name, {}):
        return None
    # Arguments of any size, and results that leave the range of exponents, are fine.
    with mpmath.workdps(DIGITS):
        return function(mpmath.mpf(x))


@functools.cache
def rounded(name, bits):
    """The pattern of the correctly rounded result."""
    x = value_of(bits)
    _, _, at_minus_infinity, at_infinity = FUNCTIONS[name]
    if np.isnan(x):
        return QUIET_NAN
    if x == 0 and name in FROM_ZERO_TO_ZERO:
        return bits
    if x in EXCEPTIONS.get(name, {}):
        special = EXCEPTIONS[name][x]
        return pattern(np.copysign(special, x) if name == "rsqrt" else special)
    if np.isinf(x):
        special = at_infinity if x > 0 else at_minus_infinity
        return QUIET_NAN if np.isnan(special) else pattern(special)
    result = exact(name, bits)
    return QUIET_NAN if result is None else nearest(fraction(result))


def _neighbours(x, reach=2):
    bits = pattern(x)
    return [b for b in range(bits - reach, bits + reach + 1) if 0 <= b <= INFINITY]


# Where kernels change, results saturate, overflow or become subnormal.
_EDGES = (
    1e-45, 2.0**-126, 2.0**-25, 2.0**-24, 2.0**-13, 2.0**-12, 0.2928, 0.34657359,
    0.41421356, 0.5, 0.70710678, 1.0, 1.4142135, 2.0, 2.4142135, 2.5, 3.8325, 3.9192,
    3.95, 9.0109, 9.1949, 10.0, 10.0541, 16.63, 17.33, 88.72284, 87.33655, 89.41599,
    103.27893, 103.97208, 104.0, 126.0, 127.0, 128.0, 149.0, 150.0, 2.0**22, 2.0**24,
    2.0**28, 2.0**96, 3.4028235e38,
)  # fmt: skip


def _closest_to_quarter_turns():
    """Numbers m 2**e close to multiples of pi/2: the closest one for each e, and one
    with an m of 24 bits.
    """
    found = []
    with mpmath.workdps(80):
        for exponent in range(-1, 105):
            turn = mpmath.pi / 2 / mpmath.mpf(2) ** exponent
            # m / n is near turn for convergents m / n, so m 2**e is near n pi/2.
            rest, old, m = turn, 1, int(mpmath.floor(turn))
            while True:
                rest = 1 / (rest - mpmath.floor(rest))
                following = int(mpmath.floor(rest)) * m + old
                if following >= 2**24:
                    break
                old, m = m, following
            longest = old + m * ((2**24 - 1 - old) // m)
            found += [pattern(float(n) * 2.0**exponent) for n in (m, longest)]
    return found


def sample(seed=0):
    """Patterns of every binade, edges, and a dense part where functions are curved."""
    random = np.random.default_rng(seed)
    fields = np.arange(512, dtype=np.uint32) << 23
    fractions = random.integers(0, 1 << 23, (512, 2)).astype(np.uint32)
    ends = np.broadcast_to(np.array([0, 1, 0x7FFFFF], np.uint32), (512, 3))
    grid = (fields[:, None] | np.concatenate([fractions, ends], 1)).ravel()
    sizes = 2.0 ** random.uniform(-13, 7, 1200) * random.choice([-1, 1], 1200)
    inside = random.uniform(-1, 1, 400)
    dense = np.concatenate([sizes, inside]).astype(np.float32).view(np.uint32)
    special = [b for edge in _EDGES for b in _neighbours(edge)]
    special += [b for k in range(1, 12) for b in _neighbours(k * np.pi / 2, 1)]
    special += _closest_to_quarter_turns()
    special = np.array(special, np.uint32)
    return np.concatenate([grid, dense, special, special | np.uint32(SIGN)])
