"""The fast forms, through one operation in float64 (which x64 has to be on for).

XLA flushes subnormal numbers, so binary32 goes to float64 and back by integer
operations; in float64 nothing here is subnormal. Why one operation there and a second
rounding give the right result:

* 53 >= 2 * 24 + 2 bits: for sums, products, quotients and square roots the double
  rounding is innocuous to nearest (Figueroa 1995). Products are exact, and so are sums
  that are subnormal.
* In the other directions, and in `fma`, the float64 number is *rounded to odd* first:
  an inexact number never looks exact, and no boundary is crossed (Boldo and Melquiond
  2008).
* A quotient of two 24-bit significands that is not a number of 25 bits or fewer is
  further than 2**-49 of itself from every such number: |x/y - m| = |x - m y| / y, the
  numerator a whole number of units. Rounding the float64 quotient to 50 bits therefore
  restores it if it had 25 bits, and moves it past no boundary if not, although it may
  be off by two units: XLA divides by a constant by multiplying with its reciprocal.
  A root is further than 2**-49 of itself from all numbers of 24 bits but itself, and
  further than 2**-51 from those of 25 bits.
"""

import jax.numpy as jnp
import numpy as np
from jax import lax

from torchlean_jax.domains.ieee32._format import BINARY32, Format, Rounding
from torchlean_jax.domains.ieee32._kernels._pieces import increments, overflowed, u

_SIGN = np.uint64(1 << 63)
_INFINITY = np.uint64(2047 << 52)


def _bits(d):
    return lax.bitcast_convert_type(d, jnp.uint64)


def _float(bits):
    return lax.bitcast_convert_type(bits, jnp.float64)


def widen(fmt: Format, x):
    """The same numbers in float64."""
    magnitude = x & fmt.magnitude
    subnormal = magnitude < fmt.smallest_normal
    special = magnitude >= fmt.infinity
    # a subnormal number is read as a normal one with an exponent field of 1, and the
    # leading bit that it does not have is taken away again
    rebias = jnp.where(
        subnormal,
        np.uint64((1024 - fmt.bias) << 52),
        jnp.where(
            special,
            np.uint64((2047 - fmt.top_field) << 52),
            np.uint64((1023 - fmt.bias) << 52),
        ),
    )
    raw = (magnitude.astype(jnp.uint64) << np.uint64(52 - fmt.fraction_bits)) + rebias
    leading = np.float64(2.0 ** (1 - fmt.bias))
    d = _float(raw) - jnp.where(subnormal, leading, np.float64(0.0))
    sign = (x >> u(fmt.width - 1)).astype(jnp.uint64) << np.uint64(63)
    return _float(_bits(d) | sign)


def narrow(fmt: Format, rounding: Rounding, flush: bool, d):
    """float64 numbers, exact or rounded to odd, rounded to the format; NaN is one."""
    if fmt == BINARY32 and rounding is Rounding.NEAREST_EVEN:
        return _narrow_binary32(flush, d)
    return _narrow(fmt, rounding, flush, _bits(d))


def _narrow_binary32(flush, d):
    size = jnp.abs(d)
    normal = lax.bitcast_convert_type(d.astype(jnp.float32), jnp.uint32)
    sign = (_bits(d) >> np.uint64(32)).astype(jnp.uint32) & BINARY32.sign
    if flush:
        # what rounds up to the smallest normal number with 24 bits is not tiny
        stays = size >= np.float64(2.0**-126 * (1 - 2.0**-25))
        tiny = jnp.where(stays, BINARY32.smallest_normal, u(0))
    else:
        # the unit of the sum is 2**-149: its low bits are the subnormal significand,
        # and a carry gives the smallest normal number
        shifted = _bits(size + np.float64(2.0**-97))
        tiny = shifted.astype(jnp.uint32) & u(0xFFFFFF)
    return jnp.where(size < np.float64(2.0**-126), tiny | sign, normal)


def _narrow(fmt, rounding, flush, bits):
    magnitude = bits & ~_SIGN
    sign = (bits >> np.uint64(63)).astype(jnp.uint32)
    field = (magnitude >> np.uint64(52)).astype(jnp.int32)
    biased = field - 1023 + fmt.bias
    significand = (magnitude & np.uint64((1 << 52) - 1)) | np.uint64(1 << 52)
    significand = jnp.where(field > 0, significand, np.uint64(0))
    surplus = 52 - fmt.fraction_bits
    quotient, up = _rounded(
        rounding, sign, significand, jnp.clip(1 - biased, 0, 54 - surplus) + surplus
    )
    base = (jnp.maximum(biased, 1) - 1).astype(jnp.uint32) << u(fmt.fraction_bits)
    result = base + quotient + up
    finite = magnitude < _INFINITY
    overflows = finite & ((biased >= fmt.top_field) | (result >= fmt.infinity))
    result = jnp.where(overflows, overflowed(fmt, rounding, sign), result)
    if flush:
        whole, up = _rounded(
            rounding, sign, significand, jnp.full_like(biased, surplus)
        )
        carried = whole + up == u(1 << (fmt.fraction_bits + 1))
        tiny = (biased < 1) & ~((biased == 0) & carried)
        result = jnp.where(tiny, u(0), result)
    result = jnp.where(magnitude == _INFINITY, fmt.infinity, result)
    result = result | (sign << u(fmt.width - 1))
    return jnp.where(magnitude > _INFINITY, fmt.nan, result)


def _rounded(rounding, sign, significand, shift):
    """(quotient, 0 or 1 to be added to it) of a significand shifted right."""
    shift = shift.astype(jnp.uint64)
    quotient = significand >> shift
    rest = significand - (quotient << shift)
    half = (np.uint64(1) << shift) >> np.uint64(1)
    quotient = quotient.astype(jnp.uint32)
    up = increments(rounding, sign, quotient, rest, half)
    return quotient, up.astype(jnp.uint32)


def _sum_to_odd(x, y):
    """x + y rounded to odd, by the error of the rounded sum (Knuth)."""
    total = x + y
    minus_total = _negated(total)
    of_y = _negated(minus_total + x)
    of_x = _negated(minus_total + of_y)
    error = (x - of_x) + (y - of_y)
    bits = _bits(total)
    inexact = (error != 0) & ((bits & ~_SIGN) < _INFINITY)
    even = (bits & np.uint64(1)) == 0
    outward = ((_bits(error) ^ bits) & _SIGN) == 0
    jammed = jnp.where(outward, bits + np.uint64(1), bits - np.uint64(1))
    return _float(jnp.where(inexact & even, jammed, bits))


def _negated(d):
    """-d by its bits: (x + c) - c is x to XLA's simplifier, which sees through a
    minus, and not through this."""
    return _float(_bits(d) ^ _SIGN)


def _signed_zero(fmt, rounding, result, x, y):
    """A sum that is exactly 0 has the sign of its terms, or if they differ is +0 (-0
    when rounding down). float64 does not know the direction, and XLA's simplifier takes
    x + 0 for x, although -0 + 0 is +0."""
    if rounding is Rounding.DOWN:
        negative = (_bits(x) | _bits(y)) & _SIGN
    else:
        negative = _bits(x) & _bits(y) & _SIGN
    zero = jnp.where(negative != 0, fmt.sign, u(0))
    return jnp.where((x + y) == 0, zero, result)


def add(fmt: Format, rounding: Rounding, flush: bool, x, y):
    x, y = widen(fmt, x), widen(fmt, y)
    nearest = rounding in (Rounding.NEAREST_EVEN, Rounding.NEAREST_AWAY)
    total = x + y if nearest else _sum_to_odd(x, y)
    return _signed_zero(fmt, rounding, narrow(fmt, rounding, flush, total), x, y)


def mul(fmt: Format, rounding: Rounding, flush: bool, x, y):
    return narrow(fmt, rounding, flush, widen(fmt, x) * widen(fmt, y))


def fma(fmt: Format, rounding: Rounding, flush: bool, x, y, z):
    term, z = widen(fmt, x) * widen(fmt, y), widen(fmt, z)
    result = narrow(fmt, rounding, flush, _sum_to_odd(term, z))
    return _signed_zero(fmt, rounding, result, term, z)


def div(fmt: Format, rounding: Rounding, flush: bool, x, y):
    quotient = _bits(widen(fmt, x) / widen(fmt, y))
    # to 50 bits; infinities and zeros are multiples of 8 already, a NaN stays one
    restored = (quotient + np.uint64(4)) & ~np.uint64(7)
    return narrow(fmt, rounding, flush, _float(restored))


def sqrt(fmt: Format, rounding: Rounding, flush: bool, x):
    root = jnp.sqrt(widen(fmt, x))
    if rounding not in (Rounding.NEAREST_EVEN, Rounding.NEAREST_AWAY):
        # to nearest no root of 24 bits is closer than 2**-51 of itself to a boundary
        root = _float((_bits(root) + np.uint64(2)) & ~np.uint64(3))
    return narrow(fmt, rounding, flush, root)
