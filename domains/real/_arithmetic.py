"""Rules for sums, products, quotients, powers and extremes.

None of them needs a comparison to be decided, except the remainder, whose whole part
jumps.
"""

import functools
import operator

from torchlean_jax.domains.real._apply import (
    careful,
    define,
    elementwise,
    guarded,
    nowhere,
)
from torchlean_jax.domains.real._flint import (
    TooFewBitsError,
    flint,
    infinity,
    is_infinite,
    unknown,
)
from torchlean_jax.domains.real._value import rules

add = define("add", operator.add, total=True)
define("add_any", operator.add, total=True)
sub = define("sub", operator.sub, total=True)
mul = define("mul", operator.mul, total=True)
define("neg", operator.neg, total=True)


def squared(x):
    """Never below 0, which x * x of a ball around 0 does not know."""
    result = x * x
    if isinstance(result, flint().acb) or result > 0:
        return result
    return result.nonnegative_part()


define("square", squared, total=True)


@rules.define("same:mul")
def _mul_itself(x, _):
    return elementwise(squared, x, total=True)


@rules.define("one_minus_square")
def _one_minus_square(x):
    return elementwise(_below_one, x, total=True)


def _below_one(x):
    return 1 - squared(x)


@rules.define("polynomial")
def _polynomial(x, *coefficients, unroll=None):
    """Horner's rule (`unroll` is only about how it is compiled)."""
    *rest, result = coefficients
    for coefficient in reversed(rest):
        result = add(mul(result, x), coefficient)
    return result


@rules.define("abs")
def _abs(x):
    return elementwise(abs, x, dtype=x.real.dtype if x.is_complex else None, total=True)


def _by_zero(x, y):
    """Over the reals there is no -0 that would give an infinite quotient its sign."""
    return y.is_zero()


div = define("div", operator.truediv, undefined=_by_zero)


def over(x, y):
    """The quotient of two single balls, finite or not."""
    result = x / y
    return result if result.is_finite() else careful(operator.truediv, _by_zero, x, y)


@rules.define("integer_pow")
def _integer_pow(x, *, y):
    return elementwise(_whole_power(y), x, undefined=_is_zero if y < 0 else nowhere)


@functools.cache
def _whole_power(n):
    if n == 2:
        return squared
    return lambda x: x**n if isinstance(x, flint().acb) else _to_the(x, n)


def _is_zero(x):
    return x.is_zero()


@rules.define("pow")
def _pow(x, y):
    return elementwise(power, x, y, undefined=_has_no_power)


def power(x, y):
    """x**y: of a negative number only a power whose exponent is a whole number."""
    if isinstance(x, flint().acb):
        return _complex_power(x, flint().acb(y))
    n = y.unique_fmpz() if y.is_exact() else None
    if n is not None:
        return _to_the(x, int(n))
    if x > 0:
        return (x.log() * y).exp() if not x.is_finite() else x**y
    if x.is_zero() and y > 0:
        return flint().arb(0)
    return unknown()


def _to_the(x, n):
    """Arb gives no powers of -inf."""
    if n == 0:
        return flint().arb(1)
    if not is_infinite(x):
        return x ** flint().arb(n)
    sign = -1 if x < 0 and n % 2 else 1
    return sign * infinity() if n > 0 else flint().arb(0)


def _complex_power(x, y):
    if x.is_zero() and y.real > 0:
        return flint().acb(0)
    return x**y


def _has_no_power(x, y):
    if isinstance(x, flint().acb):
        return x.is_zero() and not flint().acb(y).real > 0 and not y.is_zero()
    if x.is_zero():
        return y < 0
    return x < 0 and not (y.contains_integer() and y.is_finite())


def larger(x, y):
    if x >= y:
        return x
    return y if y >= x else x.max(y)


def smaller(x, y):
    if x <= y:
        return x
    return y if y <= x else x.min(y)


maximum = define("max", larger, total=True)
minimum = define("min", smaller, total=True)
larger_of, smaller_of = guarded(larger), guarded(smaller)


@rules.define("clamp")
def _clamp(least, x, most):
    return minimum(maximum(x, least), most)


def whole_part(x):
    """x rounded toward zero; raises TooFewBitsError where the ball leaves that open."""
    if abs(x) < 1:
        return flint().arb(0)
    whole = x.floor() if x > 0 else x.ceil()
    return decided(whole, "a whole part")


def decided(whole, what):
    if whole.is_exact() or not whole.is_finite():
        return whole
    raise TooFewBitsError(f"{what} is undecided: the ball holds a jump")


def _remainder(x, y):
    """x - y trunc(x/y): exact for exact numbers, a quotient of 3 must not be 2.99."""
    if not y.is_finite() or not x.is_finite():
        return x if x.is_finite() and not y.is_nan() else unknown()
    if x.is_exact() and y.is_exact():
        if y.is_zero():
            return unknown()
        p, q = x.fmpq(), y.fmpq()
        quotient = p / q
        whole = abs(quotient.p) // quotient.q
        return flint().arb(p - q * (whole if quotient > 0 else -whole))
    if y.contains(0):
        return unknown()
    return x - y * whole_part(x / y)


def _has_no_remainder(x, y):
    return y.is_zero() or not x.is_finite()


define("rem", _remainder, undefined=_has_no_remainder)
