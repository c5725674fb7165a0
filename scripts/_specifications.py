"""What is approximated, on which domain, and the constants: the input of
`derive_coefficients.py`.
"""

import mpmath
from _approximation import Approximation, rounded

UNIT = {"float32": 2.0**-24, "float64": 2.0**-53}
HEAD_BITS = {"float32": 12, "float64": 26}
LN2_BITS = {"float32": 15, "float64": 41}
PIECE_BITS = {"float32": 11, "float64": 26}
TRIG_TURNS = {"float32": 2.0**12, "float64": 2.0**26}
# erf_inv: s = sqrt(-log(1 - |x|)) is in [1.177, 4.08] (binary64: 6.06); the range is
# one of erf_inv.
ERF_INV_CENTRE = {"float32": 2.5, "float64": 3.5}
ERF_INV_RANGE = {"float32": 3.86, "float64": 5.88}
ERF_RANGE = {"float32": 9.625, "float64": 27.0}


LGAMMA_VALLEY = mpmath.mpf("1.46163214496836234126")


def _number(text):
    return lambda m: m.mpf(text)


ZERO, ONE, TWO = _number("0"), _number("1"), _number("2")


def _two_thirds(m):
    return m.mpf("2") / 3


def _two_over_sqrt_pi(m):
    return 2 / m.sqrt(m.pi)


def erfcx_at_4(m):
    """The value of (1 + 2 x) exp(x**2) erfc(x) at x = 4."""
    return 9 * m.exp(m.mpf("16")) * m.erfc(m.mpf("4"))


def _slow_point(t):
    x = 4 * (1 + t) / (1 - t)
    return (1 + 2 * x) * mpmath.exp(x * x) * mpmath.erfc(x)


def _slow_series(t):
    x = 4 * (1 + t) / (1 - t)
    return (1 + 2 * x) * (x * x).exp() * x.erfc()


def _odd(point, series, high, slope=ONE):
    """f(x) = slope x + x**3 p(x**2)."""
    return Approximation(point, series, 0.0, high, shift=3, power=2, base=(ZERO, slope))


def approximations(dtype):
    """The polynomials by name."""
    return _inverse_error_function(dtype) | {
        "exp": Approximation(
            mpmath.exp, lambda s: s.exp(), -0.361, 0.361, shift=2, base=(ONE, ONE)
        ),
        "expm1": Approximation(
            mpmath.expm1,
            lambda s: s.exp() - 1,
            -0.752,
            0.752,
            shift=3,
            base=(ZERO, ONE, _number("0.5")),
        ),
        "artanh": Approximation(
            lambda x: mpmath.log((1 + x) / (1 - x)),
            lambda s: ((1 + s) / (1 - s)).log(),
            0.0,
            0.1735,
            shift=5,
            power=2,
            base=(ZERO, TWO, ZERO, _two_thirds),
        ),
        "tanh": _odd(mpmath.tanh, lambda s: 1 - 2 / ((2 * s).exp() + 1), 0.5),
        "sinh": _odd(mpmath.sinh, lambda s: (s.exp() - (-s).exp()) / 2, 1.001),
        "asinh": _odd(mpmath.asinh, lambda s: (s + (s * s + 1).sqrt()).log(), 0.5),
        "sin": _odd(mpmath.sin, lambda s: s.sin(), 0.8),
        "cos": Approximation(
            mpmath.cos,
            lambda s: s.cos(),
            0.0,
            0.8,
            shift=4,
            power=2,
            base=(ONE, ZERO, _number("-0.5")),
        ),
        "asin": _odd(mpmath.asin, lambda s: s.asin(), 0.501),
        "atan": _odd(mpmath.atan, lambda s: s.atan(), 0.415),
        "erf": _odd(mpmath.erf, lambda s: s.erf(), 1.001, _two_over_sqrt_pi),
        "erfcx": Approximation(
            _slow_point,
            _slow_series,
            -3.5 / 4.5 - 0.01,
            (ERF_RANGE[dtype] - 4) / (ERF_RANGE[dtype] + 4) + 0.01,
            shift=1,
            base=(erfcx_at_4,),
            goal=0.25,
        ),
        "cbrt": Approximation(
            mpmath.cbrt,
            lambda s: (s.log() / 3).exp(),
            0.7,
            5.66,
            goal=2.0**11 if dtype == "float32" else 2.0**27,
        ),
    }


def _inverse_error_function(dtype):
    """erf_inv near 0, and erf_inv(x) / s as a function of s = sqrt(-log(1 - x)).

    With y = erf_inv(x) the functions are x = erf(y) and s = sqrt(-log(erfc(y))):
    nothing to invert.
    """

    def s_of(y):
        if isinstance(y, mpmath.mpf):
            return mpmath.sqrt(-mpmath.log(mpmath.erfc(y))) - ERF_INV_CENTRE[dtype]
        return (-(y.erfc().log())).sqrt() - ERF_INV_CENTRE[dtype]

    def y_of(offset):
        return mpmath.findroot(
            lambda y: s_of(y) - offset, 0.9 * (offset + ERF_INV_CENTRE[dtype])
        )

    def quotient(y):
        return y / (s_of(y) + ERF_INV_CENTRE[dtype])

    head, low = pair(_erf_inv_at_centre(dtype), dtype)
    return {
        "erf_inv": Approximation(
            mpmath.erfinv,
            lambda y: y,
            0.0,
            0.8145,
            shift=3,
            power=2,
            base=(ZERO, lambda m: m.sqrt(m.pi) / 2),
            argument=lambda y: mpmath.erf(y) if isinstance(y, mpmath.mpf) else y.erf(),
        ),
        "erf_inv_tail": Approximation(
            quotient,
            quotient,
            0.8,
            ERF_INV_RANGE[dtype],
            shift=1,
            base=(lambda m: m.mpf(head) + m.mpf(low),),
            argument=s_of,
            inverse=y_of,
            whole=True,
            # Singularities at s = 1.65 +- 1.9 i make this one slow to converge.
            goal={"float32": 0.3, "float64": 20.0}[dtype],
        ),
    }


def _erf_inv_at_centre(dtype):
    """erf_inv(x) / s where s is the centre."""
    centre = mpmath.mpf(ERF_INV_CENTRE[dtype])
    y = mpmath.findroot(
        lambda y: mpmath.sqrt(-mpmath.log(mpmath.erfc(y))) - centre, 0.95 * centre
    )
    return y / centre


def stirling(dtype):
    """`(coefficients, bound)` of the series of lgamma and digamma for arguments from 8
    on.

    The remainder is below the first term left out (for real arguments); rounding a
    coefficient costs at most u times it.
    """
    result = {}
    for name, divisor in (
        ("lgamma", lambda k: 2 * k * (2 * k - 1)),
        ("digamma", lambda k: 2 * k),
    ):
        exact, z = [], mpmath.mpf(1) / 60
        sign = 1 if name == "lgamma" else -1
        while True:
            k = len(exact) + 1
            term = sign * mpmath.bernoulli(2 * k) / divisor(k)
            if abs(term) * z ** (k - 1) < UNIT[dtype] / 100:
                break
            exact.append(term)
        bound = abs(term) * z ** (k - 1)
        bound += sum(UNIT[dtype] * abs(c) * z**i for i, c in enumerate(exact))
        result[name] = tuple(rounded(c, dtype) for c in exact), float(bound) * 1.001
    return result


def cut(value, bits):
    """An mpmath number cut towards zero to `bits` significant bits."""
    mantissa, exponent = mpmath.frexp(value)
    return mpmath.ldexp(mpmath.floor(mpmath.ldexp(mantissa, bits)), exponent - bits)


def pair(value, dtype):
    """Head (cut to half the bits) and correction of a positive constant."""
    head = cut(value, HEAD_BITS[dtype])
    return float(head), rounded(value - head, dtype)


def exact_pairs(dtype):
    """The constants that are stored as pairs, at the current precision of mpmath."""
    ln2, pi = mpmath.log(2), mpmath.pi
    return {
        "ln2": ln2,
        "log2_e_pair": 1 / ln2,
        "two_thirds": mpmath.mpf(2) / 3,
        "two_over_sqrt_pi": 2 / mpmath.sqrt(pi),
        "half_pi": pi / 2,
        "erfcx_at_4": erfcx_at_4(mpmath),
        "half_sqrt_pi": mpmath.sqrt(pi) / 2,
        "erf_inv_at_centre": _erf_inv_at_centre(dtype),
        "lgamma_constant": (mpmath.log(2 * pi) - 1) / 2,
    }


def constants(dtype):
    """`(pairs, floats)` by name."""
    with mpmath.workdps(120):
        ln2, pi = mpmath.log(2), mpmath.pi
        pairs = exact_pairs(dtype)
        ln2_high = cut(ln2, LN2_BITS[dtype])
        pieces, rest = [], pi / 2
        lowest = 1 - PIECE_BITS[dtype]
        for _ in range(4):
            # Cut at a fixed place, not after so many bits: leading zeros may not
            # lengthen a piece.
            piece = mpmath.ldexp(mpmath.floor(mpmath.ldexp(rest, -lowest)), lowest)
            pieces.append(float(piece))
            rest -= piece
            lowest -= PIECE_BITS[dtype]
        pieces.append(rounded(rest, dtype))
        turns = TRIG_TURNS[dtype]
        floats = {
            "log2_e": rounded(1 / ln2, dtype),
            "ln2_high": float(ln2_high),
            "ln2_low": rounded(ln2 - ln2_high, dtype),
            "two_over_pi": rounded(2 / pi, dtype),
            "half_pi_pieces": tuple(pieces),
            "trig_range": float(mpmath.floor(turns * pi / 2 - 1)),
            "erf_range": ERF_RANGE[dtype],
            "erf_inv_centre": ERF_INV_CENTRE[dtype],
            "lgamma_valley": (1.4609375, 1.462890625),
            "lgamma_minimum": _below(mpmath.loggamma(LGAMMA_VALLEY), dtype),
            "reduction": _reduction(dtype, pieces, rest),
        }
        return {k: pair(v, dtype) for k, v in pairs.items()}, floats


def _below(value, dtype):
    """A float a little below an mpmath number."""
    return rounded(value - 4 * UNIT[dtype] * abs(value), dtype)


def _reduction(dtype, pieces, rest):
    """The absolute error of the reduced argument beside its relative one (proof in
    `_trig.py`).

    turns * (error of the last piece), the rounding of turns * (last piece), of its
    subtraction from a correction that cancellation has left at most k * 2 * turns *
    (fourth piece), and the last separation: four roundings of numbers of that size.
    """
    u, turns = UNIT[dtype], TRIG_TURNS[dtype]
    cut_off = 2.0 ** (1 - HEAD_BITS[dtype])
    represent = turns * float(abs(rest - mpmath.mpf(pieces[4])))
    size = turns * pieces[4] + 8 * cut_off * turns * 2.0 ** (1 - 3 * PIECE_BITS[dtype])
    return rounded(mpmath.mpf(2) * (represent + 4 * u * size), dtype)
