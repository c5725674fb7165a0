"""Conversions between formats, and to and from integers and float64."""

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from torchlean_jax.domains._errors import InputError
from torchlean_jax.domains.ieee32._format import Flags, Format, Rounding
from torchlean_jax.domains.ieee32._kernels._pieces import (
    increments,
    is_infinite,
    is_nan,
    is_signalling,
    put_together,
    raised,
    shift_right_jam,
    take_apart,
    u,
)


def to_format(source: Format, target: Format, rounding: Rounding, policy: str, x):
    """(bits, flags) of the same number in another format."""
    a = take_apart(source, x)
    extended = a.significand << u(3)
    bits, flags = put_together(target, rounding, a.sign, a.exponent, extended)
    signs = a.sign << u(target.width - 1)
    zero, infinite = a.significand == 0, is_infinite(source, x)
    bits = jnp.where(zero, signs, jnp.where(infinite, signs | target.infinity, bits))
    flags = jnp.where(zero | infinite, jnp.uint8(0), flags)
    nan = is_nan(source, x)
    if policy == "canonical":
        payload = target.nan
    else:
        payload = _payload(source, target, x & source.fraction) | signs
    bits = jnp.where(nan, payload, bits)
    signals = raised((is_signalling(source, x), Flags.INVALID))
    return bits, jnp.where(nan, signals, flags)


def _payload(source, target, fraction):
    """A quiet NaN with the leading bits of a payload."""
    gain = target.fraction_bits - source.fraction_bits
    moved = fraction << u(gain) if gain >= 0 else fraction >> u(-gain)
    return moved | target.nan


def from_integer(target: Format, rounding: Rounding, x):
    """(bits, flags) of an array of integers (or booleans)."""
    x = jnp.asarray(x)
    if x.dtype == jnp.bool_ or x.dtype.itemsize < 4:
        x = x.astype(jnp.int32)
    sign, high, low = _magnitude_of(x)
    zeros = jnp.where(high != 0, lax.clz(high), u(32) + lax.clz(low))
    # 32 bits from the leading one down, the last of them sticky
    upper = jnp.where(
        zeros < u(32),
        (high << jnp.minimum(zeros, u(31)))
        | ((low >> u(1)) >> (u(31) - jnp.minimum(zeros, u(31)))),
        low << (jnp.maximum(zeros, u(32)) - u(32)),
    )
    lost = jnp.where(zeros < u(32), low << jnp.minimum(zeros, u(31)), u(0))
    upper = upper | (lost != 0).astype(jnp.uint32)
    extended = shift_right_jam(upper, jnp.full_like(upper, 5))
    exponent = 63 - zeros.astype(jnp.int32)
    bits, flags = put_together(target, rounding, sign, exponent, extended)
    nothing = (high | low) == 0
    return jnp.where(nothing, u(0), bits), jnp.where(nothing, jnp.uint8(0), flags)


def _magnitude_of(x):
    """(sign, upper word, lower word) of 32- or 64-bit integers."""
    wide = x.dtype.itemsize == 8
    unsigned = jnp.uint64 if wide else jnp.uint32
    bits = lax.bitcast_convert_type(x, unsigned)
    negative = x < 0
    # the lowest integer is its own negative, and right as an unsigned number
    bits = jnp.where(negative, ~bits + np.ones((), unsigned), bits)
    low = bits.astype(jnp.uint32)
    high = (bits >> np.uint64(32)).astype(jnp.uint32) if wide else jnp.zeros_like(low)
    return negative.astype(jnp.uint32), high, low


def to_integer(source: Format, rounding: Rounding, dtype, x):
    """(integers, flags): out of range, the nearest integer there is; for a NaN, 0.

    IEEE 754-2019 (5.8) leaves the value of an invalid conversion open; this is XLA's.
    """
    kind = jnp.iinfo(dtype)
    a = take_apart(source, x)
    nan = is_nan(source, x)
    words = jnp.uint64 if kind.bits == 64 else jnp.uint32
    # behind the point lie so many bits of the significand; two more are like any more
    behind = jnp.clip(23 - a.exponent, 0, 25).astype(jnp.uint32)
    quotient = a.significand >> behind
    rest = a.significand - (quotient << behind)
    half = (u(1) << behind) >> u(1)
    up = (rest != 0) & increments(rounding, a.sign, quotient, rest, half)
    ahead = jnp.clip(a.exponent - 23, 0, max(kind.bits - 24, 0))
    whole = (quotient + up.astype(jnp.uint32)).astype(words) << ahead.astype(words)
    far = a.exponent > kind.bits - 1
    limit = jnp.where(
        a.sign != 0, np.asarray(-int(kind.min), words), np.asarray(kind.max, words)
    )
    outside = ~nan & (far | (whole > limit))
    whole = jnp.where(outside, limit, whole)
    signed = jnp.where(a.sign != 0, ~whole + np.ones((), words), whole)
    signed = jnp.where(nan, np.zeros((), words), signed)
    flags = jnp.where(
        nan | outside,
        jnp.uint8(Flags.INVALID),
        raised(((rest != 0), Flags.INEXACT)),
    )
    return lax.convert_element_type(signed, kind.dtype), flags


def to_float64(source: Format, x):
    """The same numbers in float64, exactly, by their bits; NaNs stay quiet."""
    require_x64("a conversion to float64")
    a = take_apart(source, x)
    special = is_infinite(source, x) | is_nan(source, x)
    field = jnp.where(special, 2047, a.exponent + 1023).astype(jnp.uint64)
    fraction = (a.significand & u(0x7FFFFF)).astype(jnp.uint64) << np.uint64(29)
    fraction = jnp.where(is_infinite(source, x), np.uint64(0), fraction)
    quiet = jnp.where(is_nan(source, x), np.uint64(1 << 51), np.uint64(0))
    bits = (field << np.uint64(52)) | fraction | quiet
    bits = jnp.where(a.significand == 0, np.uint64(0), bits)
    bits = bits | (a.sign.astype(jnp.uint64) << np.uint64(63))
    return lax.bitcast_convert_type(bits, jnp.float64)


def from_float64_bits(target: Format, rounding: Rounding, policy: str, x):
    """(bits, flags) of float64 numbers, given as their uint64 bits."""
    sign = (x >> np.uint64(63)).astype(jnp.uint32)
    field = (x >> np.uint64(52)).astype(jnp.int32) & 2047
    fraction = x & np.uint64((1 << 52) - 1)
    # a subnormal float64 is far below every number of these formats: only that it is
    # not zero matters
    extended = (fraction >> np.uint64(26)).astype(jnp.uint32) | u(1 << 26)
    sticky = (fraction & np.uint64((1 << 26) - 1)) != 0
    extended = extended | sticky.astype(jnp.uint32)
    bits, flags = put_together(target, rounding, sign, field - 1023, extended)
    signs = sign << u(target.width - 1)
    zero = (field == 0) & (fraction == 0)
    infinite, nan = (field == 2047) & (fraction == 0), (field == 2047) & (fraction != 0)
    bits = jnp.where(zero, signs, jnp.where(infinite, signs | target.infinity, bits))
    flags = jnp.where(zero | infinite, jnp.uint8(0), flags)
    if policy == "canonical":
        payload = target.nan
    else:
        kept = (fraction >> np.uint64(52 - target.fraction_bits)).astype(jnp.uint32)
        payload = kept | target.nan | signs
    signals = (fraction & np.uint64(1 << 51)) == 0
    flags = jnp.where(nan, raised((signals, Flags.INVALID)), flags)
    return jnp.where(nan, payload, bits), flags


def require_x64(what: str) -> None:
    if not jax.config.read("jax_enable_x64"):
        raise InputError(
            f"{what} needs 64-bit types, and x64 is off: enable it "
            '(jax.config.update("jax_enable_x64", True)) or stay in float32'
        )


def reduce_precision(fmt: Format, exponent_bits: int, fraction_bits: int, x):
    """XLA's `reduce_precision`: nearest-even to fewer bits, then numbers too large
    become infinite and too small ones (subnormal in the narrow format) zero."""
    kept = min(fraction_bits, fmt.fraction_bits)
    gone = fmt.fraction_bits - kept
    magnitude, sign = x & fmt.magnitude, x & fmt.sign
    if gone:
        last = (magnitude >> u(gone)) & u(1)
        half = u((1 << (gone - 1)) - 1)
        magnitude = (magnitude + half + last) & u(~((1 << gone) - 1) & 0xFFFFFFFF)
    if exponent_bits < fmt.exponent_bits:
        reach = (1 << (exponent_bits - 1)) - 1
        highest = u((fmt.bias + reach) << fmt.fraction_bits)
        lowest = u((fmt.bias - reach + 1) << fmt.fraction_bits)
        magnitude = jnp.where(
            magnitude >= u(highest + fmt.smallest_normal), fmt.infinity, magnitude
        )
        magnitude = jnp.where(magnitude < lowest, u(0), magnitude)
    return jnp.where(is_nan(fmt, x), x, magnitude | sign)
