"""What is approximated for the binary32 functions, and their constants: the input of
`derive_elementary.py`.

The polynomials that the float64 enclosures use as well are taken from
`_specifications.py`.
"""

import mpmath
from _approximation import Approximation
from _specifications import approximations, cut

CENTRE = 2.5  # erf_large and erfc(x) for x < -1 are polynomials in |x| - 5/2
SHARED = ("exp", "tanh", "sinh", "asinh", "sin", "cos", "asin", "atan")


def _number(text):
    return lambda m: m.mpf(text)


def _slow_point(t):
    x = 4 * (1 + t) / (1 - t)
    return (1 + 2 * x) * mpmath.exp(x * x) * mpmath.erfc(x)


def _slow_series(t):
    x = 4 * (1 + t) / (1 - t)
    return (1 + 2 * x) * (x * x).exp() * x.erfc()


def specifications():
    """The polynomials by name."""
    shared = approximations("float64")
    zero, one, two = _number("0"), _number("1"), _number("2")
    return {name: shared[name] for name in SHARED} | {
        # 2**f = 1 + f p(f).
        "exp2": Approximation(
            lambda f: mpmath.mpf(2) ** f,
            lambda s: (s * _ln2()).exp(),
            -0.5001,
            0.5001,
            shift=1,
            base=(one,),
            goal=0.4,
        ),
        # log((1 + s) / (1 - s)) = 2 s + s**3 p(s**2).
        "artanh": Approximation(
            lambda x: mpmath.log((1 + x) / (1 - x)),
            lambda s: ((1 + s) / (1 - s)).log(),
            0.0,
            0.1735,
            shift=3,
            power=2,
            base=(zero, two),
        ),
        # erf(x) = x p(x**2).
        "erf": Approximation(
            mpmath.erf, lambda s: s.erf(), 0.0, 1.001, shift=1, power=2, goal=0.6
        ),
        "erfc": Approximation(
            lambda t: mpmath.erfc(t + CENTRE),
            lambda s: (s + CENTRE).erfc(),
            -1.501,
            1.451,
            goal=0.3,
        ),
        # exp(x**2) erfc(x) (1 + 2 x) is slow in t = (x - 4) / (x + 4).
        "erfcx": Approximation(
            _slow_point,
            _slow_series,
            -3.5 / 4.5 - 0.01,
            (10.125 - 4) / (10.125 + 4) + 0.01,
            goal=0.5,
        ),
        # A first guess, which is improved twice.
        "cbrt": Approximation(
            mpmath.cbrt, lambda s: (s.log() / 3).exp(), 1.0, 2.0, goal=2.0**40
        ),
    }


def _ln2():
    from flint import arb

    return arb(2).log()


def constants():
    """Floats and integers by name."""
    with mpmath.workdps(120):
        pi, ln2, third = mpmath.pi, mpmath.log(2), 1 / mpmath.mpf(3)
        ln2_high, ln2_low = _two_parts(ln2, 41)
        log2_e_high, log2_e_low = _two_parts(1 / ln2, 29)
        first = cut(pi / 2, 30)
        second = cut(pi / 2 - first, 30)
        rest = pi / 2 - first - second
        quarter_high, quarter_low = _two_parts(pi / 4, 50)
        words = int(mpmath.floor(2 / pi * mpmath.mpf(2) ** 256))
        return {
            "log2_e": float(1 / ln2),
            "ln2_high": ln2_high,
            "ln2_low": ln2_low,
            "log2_e_high": log2_e_high,
            "log2_e_low": log2_e_low,
            "two_over_pi": float(2 / pi),
            "half_pi_pieces": (float(first), float(second), float(rest)),
            "half_pi": float(pi / 2),
            "half_pi_low": float(pi / 2 - mpmath.mpf(float(pi / 2))),
            "quarter_pi_high": quarter_high,
            "quarter_pi_low": quarter_low,
            "third": float(third),
            "two_ninths": float(2 * third * third),
            "cbrt2": float(mpmath.cbrt(2)),
            "cbrt4": float(mpmath.cbrt(4)),
            "two_over_pi_words": (
                0,
                *(words >> (224 - 32 * i) & 0xFFFFFFFF for i in range(8)),
            ),
        }


def _two_parts(value, bits):
    """A float of `bits` significand bits, and one for the rest."""
    head = cut(value, bits)
    return float(head), float(value - head)
