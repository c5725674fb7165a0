"""Rules for functions of one number, as Arb computes them.

Limits are values where they exist from inside the domain: log 0 is -inf and tanh inf
is 1, but sin inf and 1/0 are no numbers. Functions that jump are decided or an error.
"""

from operator import methodcaller

from jax import lax

from torchlean_jax.domains.real._apply import define, elementwise, nowhere
from torchlean_jax.domains.real._arithmetic import decided
from torchlean_jax.domains.real._flint import (
    TooFewBitsError,
    flint,
    infinity,
    is_infinite,
    unknown,
)
from torchlean_jax.domains.real._value import rules


def extended(function, plus, minus):
    """`function`, with its limits at the two infinities where Arb gives none."""

    def with_limits(x):
        if not is_complex(x) and is_infinite(x):
            limit = plus if x > 0 else minus
            return flint().arb(limit)
        return function(x)

    return with_limits


def is_complex(x):
    return isinstance(x, flint().acb)


def beyond(least, most):
    """The `undefined` of a function that lives on [least, most]; complex: anywhere."""

    def outside(x):
        return not is_complex(x) and bool(x < least or x > most)

    return outside


INF = float("inf")


def _at_infinity(x):
    return not x.is_finite()


def _logistic(x):
    return 1 / (1 + (-x).exp())


def _exp2(x):
    n = None if is_complex(x) else x.unique_fmpz()
    if n is not None and x.is_exact():
        return flint().arb(2) ** flint().arb(n)
    return (x * flint().arb.const_log2()).exp()


def _log2(x):
    """Exact at powers of two, so that a floor of it is decided."""
    if not is_complex(x) and x.is_exact() and x.is_finite() and x > 0:
        mantissa, exponent = x.man_exp()
        if mantissa == 1:
            return flint().arb(exponent)
    return _log(x) / flint().arb.const_log2()


def _cbrt(x):
    if x.is_zero() or not x.is_finite():
        return x
    if x < 0:
        return -_cbrt(-x)
    if x > 0:
        return x.root(3)
    return _cbrt(x.lower()).union(_cbrt(x.upper()))  # it grows with x


def _rsqrt(x):
    return infinity() if x.is_zero() and not is_complex(x) else x.rsqrt()


def _log(x):
    return -infinity() if x.is_zero() and not is_complex(x) else x.log()


def _log1p(x):
    return -infinity() if not is_complex(x) and x == -1 else x.log1p()


def _erf_inv(x):
    if x == 1 or x == -1:
        return infinity() * x
    return x.erfinv()


def _atanh(x):
    if not is_complex(x) and (x == 1 or x == -1):
        return infinity() * x
    return x.atanh()


FUNCTIONS = {
    "exp": (methodcaller("exp"), nowhere),
    "exp2": (_exp2, nowhere),
    "expm1": (methodcaller("expm1"), nowhere),
    "log": (_log, beyond(0, INF)),
    "log1p": (_log1p, beyond(-1, INF)),
    "log2": (_log2, beyond(0, INF)),
    "logistic": (_logistic, nowhere),
    "tanh": (methodcaller("tanh"), nowhere),
    "sqrt": (methodcaller("sqrt"), beyond(0, INF)),
    "rsqrt": (_rsqrt, beyond(0, INF)),
    "cbrt": (_cbrt, nowhere),
    "sin": (methodcaller("sin"), _at_infinity),
    "cos": (methodcaller("cos"), _at_infinity),
    "tan": (methodcaller("tan"), _at_infinity),
    "sinh": (methodcaller("sinh"), nowhere),
    "cosh": (methodcaller("cosh"), nowhere),
    "asin": (methodcaller("asin"), beyond(-1, 1)),
    "acos": (methodcaller("acos"), beyond(-1, 1)),
    "atan": (methodcaller("atan"), nowhere),
    "asinh": (methodcaller("asinh"), nowhere),
    "acosh": (methodcaller("acosh"), beyond(1, INF)),
    "atanh": (_atanh, beyond(-1, 1)),
    "erf": (extended(methodcaller("erf"), 1, -1), nowhere),
    "erfc": (extended(methodcaller("erfc"), 0, 2), nowhere),
    "erf_inv": (_erf_inv, beyond(-1, 1)),
}
for _name, (_function, _undefined) in FUNCTIONS.items():
    define(_name, _function, undefined=_undefined)


@rules.define("atan2")
def _atan2(y, x):
    """The angle of (x, y); that of the origin is no number (0 in floats)."""
    return elementwise(_angle, y, x, undefined=_has_no_angle)


def _angle(y, x):
    return unknown() if _has_no_angle(y, x) else flint().arb.atan2(y, x)


def _has_no_angle(y, x):
    return (y.is_zero() and x.is_zero()) or (_at_infinity(x) and _at_infinity(y))


define("floor", lambda x: decided(x.floor(), "a floor") if x.is_finite() else x)
define("ceil", lambda x: decided(x.ceil(), "a ceiling") if x.is_finite() else x)


@rules.define("round")
def _round(x, *, rounding_method):
    to_even = rounding_method == lax.RoundingMethod.TO_NEAREST_EVEN
    nearest = _nearest_even if to_even else _nearest_outward
    return elementwise(_at_both_ends(nearest), x)


def _at_both_ends(nearest):
    """`nearest` of a ball: it grows with x, and at an end of the ball may lie a half,
    which goes the other way than its neighbours inside."""

    def of_ball(x):
        if not x.is_finite():
            return x
        low, high = nearest(x.lower()), nearest(x.upper())
        if low == high:
            return low
        raise TooFewBitsError("a rounding is undecided: the ball holds a jump")

    return of_ball


def _nearest_outward(x):
    """Halves away from zero; of a point."""
    return -_nearest_outward(-x) if x < 0 else decided((x + 0.5).floor(), "a rounding")


def _nearest_even(x):
    whole = decided((x + 0.5).floor(), "a rounding")
    return whole - 1 if whole - x == 0.5 and int(whole.unique_fmpz()) % 2 else whole


@rules.define("sign")
def _sign(x):
    return elementwise(_direction if x.is_complex else _sign_of, x)


def _sign_of(x):
    sign = x.sgn()
    if sign.is_exact() or not x.is_finite():
        return sign
    raise TooFewBitsError("a sign is undecided: the ball holds zero")


def _direction(z):
    return z if z.is_zero() else z / abs(z)
