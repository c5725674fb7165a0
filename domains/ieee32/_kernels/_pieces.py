"""A number taken to pieces, and put together again with one rounding.

Everything is uint32 and int32: no float unit, no 64-bit integer. Significands have 24
bits whatever the format, the leading one explicit, so that one algorithm serves all; a
subnormal number is normalised, and zero has significand 0.
"""

from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from jax import Array, lax

from torchlean_jax.domains.ieee32._format import Flags, Format, Rounding

LEADING = np.uint32(1 << 23)  # of a significand
EXTENDED_LEADING = np.uint32(1 << 26)  # of a significand with guard, round and sticky


class Pieces(NamedTuple):
    """sign (uint32, 0 or 1), exponent (int32), significand (uint32, 24 bits).

    The number is (-1)**sign * significand * 2**(exponent - 23).
    """

    sign: Array
    exponent: Array
    significand: Array


def u(value) -> np.uint32:
    return np.uint32(value)


def take_apart(fmt: Format, bits) -> Pieces:
    """The pieces of finite numbers; of infinities and NaNs, nothing meaningful."""
    magnitude = bits & fmt.magnitude
    field = (magnitude >> u(fmt.fraction_bits)).astype(jnp.int32)
    fraction = (magnitude & fmt.fraction) << u(23 - fmt.fraction_bits)
    shift = lax.clz(fraction) - u(8)
    normal = field != 0
    significand = jnp.where(normal, fraction | LEADING, fraction << shift)
    exponent = jnp.where(normal, field, 1 - shift.astype(jnp.int32)) - fmt.bias
    return Pieces(bits >> u(fmt.width - 1), exponent, significand)


def shift_right_jam(x, by):
    """x >> by with everything shifted out or-ed into the last bit."""
    by = jnp.minimum(by.astype(jnp.uint32), u(31))
    shifted = x >> by
    return shifted | ((shifted << by) != x).astype(jnp.uint32)


def increments(rounding: Rounding, sign, quotient, rest, half):
    """Whether to add one unit to `quotient`, whose cut-off part is `rest`; `half` is
    half a unit."""
    if rounding is Rounding.NEAREST_EVEN:
        odd = (quotient & u(1)) != 0
        return (rest > half) | ((rest == half) & odd)
    if rounding is Rounding.NEAREST_AWAY:
        return rest >= half
    if rounding is Rounding.TOWARD_ZERO:
        return jnp.zeros(jnp.shape(rest), bool)
    towards = sign != 0 if rounding is Rounding.DOWN else sign == 0
    return towards & (rest != 0)


def put_together(fmt: Format, rounding: Rounding, sign, exponent, extended):
    """(bits, flags) of (-1)**sign * extended * 2**(exponent - 26), rounded once.

    extended: in [2**26, 2**27), its last bit set if anything was cut off below.
    """
    surplus = 23 - fmt.fraction_bits
    biased = exponent + fmt.bias
    cut = jnp.maximum(1 - biased, 0)
    exact = shift_right_jam(extended, jnp.minimum(cut + surplus, 31))
    quotient, rest = exact >> u(3), exact & u(7)
    up = increments(rounding, sign, quotient, rest, u(4))
    # the leading bit of a normal number counts as one in the exponent field, so a carry
    # into the next binade, or from the subnormal numbers into the normal ones, is right
    field = (jnp.maximum(biased, 1) - 1).astype(jnp.uint32)
    bits = quotient + up.astype(jnp.uint32) + (field << u(fmt.fraction_bits))
    overflows = (bits >= fmt.infinity) | (biased >= fmt.top_field)
    bits = jnp.where(overflows, overflowed(fmt, rounding, sign), bits)
    inexact = (rest != 0) | overflows
    tiny = (biased < 1) & ~_reaches_normal(fmt, rounding, sign, biased, extended)
    flags = raised(
        (inexact, Flags.INEXACT),
        (tiny & inexact, Flags.UNDERFLOW),
        (overflows, Flags.OVERFLOW),
    )
    return bits | (sign << u(fmt.width - 1)), flags


def _reaches_normal(fmt, rounding, sign, biased, extended):
    """Whether rounding with an unbounded exponent gives the smallest normal number."""
    surplus = 23 - fmt.fraction_bits
    exact = shift_right_jam(extended, jnp.full_like(biased, surplus))
    quotient, rest = exact >> u(3), exact & u(7)
    up = increments(rounding, sign, quotient, rest, u(4))
    carried = quotient + up.astype(jnp.uint32) == u(1 << (fmt.fraction_bits + 1))
    return (biased == 0) & carried


def overflowed(fmt: Format, rounding: Rounding, sign):
    """What a result beyond the largest number becomes, without its sign."""
    if rounding in (Rounding.NEAREST_EVEN, Rounding.NEAREST_AWAY):
        return jnp.full(jnp.shape(sign), fmt.infinity)
    if rounding is Rounding.TOWARD_ZERO:
        return jnp.full(jnp.shape(sign), fmt.largest)
    outward = sign != 0 if rounding is Rounding.DOWN else sign == 0
    return jnp.where(outward, fmt.infinity, fmt.largest)


def raised(*conditions):
    """uint8 flags: the or of each flag where its condition holds."""
    total = np.uint8(0)
    for condition, flag in conditions:
        total = total | jnp.where(condition, np.uint8(flag), np.uint8(0))
    return jnp.asarray(total, jnp.uint8)


def is_nan(fmt: Format, bits):
    return (bits & fmt.magnitude) > fmt.infinity


def is_signalling(fmt: Format, bits):
    return is_nan(fmt, bits) & ((bits & fmt.quiet_bit) == 0)


def is_infinite(fmt: Format, bits):
    return (bits & fmt.magnitude) == fmt.infinity


def zero_of_sum(fmt: Format, rounding: Rounding, sign, other_sign):
    """x + (-x): +0, or -0 when rounding down; a sum of zeros of one sign keeps it."""
    opposite = 1 if rounding is Rounding.DOWN else 0
    sign = jnp.where(sign == other_sign, sign, u(opposite))
    return sign << u(fmt.width - 1)
