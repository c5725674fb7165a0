"""Products, quotients and square roots in integers."""

import jax.numpy as jnp

from torchlean_jax.domains.ieee32._format import Flags, Format, Rounding
from torchlean_jax.domains.ieee32._kernels._nan import finish
from torchlean_jax.domains.ieee32._kernels._pieces import (
    EXTENDED_LEADING,
    LEADING,
    is_infinite,
    is_nan,
    put_together,
    raised,
    take_apart,
    u,
)


def product(a, b):
    """The 48 bits of the product of two significands: (upper 24, lower 24)."""
    a1, a0 = a >> u(12), a & u(0xFFF)
    b1, b0 = b >> u(12), b & u(0xFFF)
    low = a0 * b0
    middle = a1 * b0 + a0 * b1 + (low >> u(12))
    high = a1 * b1 + (middle >> u(12))
    return high, ((middle & u(0xFFF)) << u(12)) | (low & u(0xFFF))


def mul(fmt: Format, rounding: Rounding, policy: str, x, y):
    """(bits, flags) of x * y."""
    a, b = take_apart(fmt, x), take_apart(fmt, y)
    sign = a.sign ^ b.sign
    high, low = product(a.significand, b.significand)
    # the product is in [2**46, 2**48): move its leading bit to bit 26
    short = high < LEADING
    extended = jnp.where(
        short,
        (high << u(4)) | (low >> u(20)) | ((low & u(0xFFFFF)) != 0).astype(jnp.uint32),
        (high << u(3)) | (low >> u(21)) | ((low & u(0x1FFFFF)) != 0).astype(jnp.uint32),
    )
    exponent = a.exponent + b.exponent + 1 - short.astype(jnp.int32)
    bits, flags = put_together(fmt, rounding, sign, exponent, extended)
    zero = (a.significand == 0) | (b.significand == 0)
    infinite = is_infinite(fmt, x) | is_infinite(fmt, y)
    signs = sign << u(fmt.width - 1)
    # infinities come apart like numbers, so they are put right before the zeros
    bits = jnp.where(infinite, signs | fmt.infinity, jnp.where(zero, signs, bits))
    flags = jnp.where(zero | infinite, jnp.uint8(0), flags)
    return finish(fmt, policy, (x, y), infinite & zero, bits, flags)


def div(fmt: Format, rounding: Rounding, policy: str, x, y):
    """(bits, flags) of x / y."""
    a, b = take_apart(fmt, x), take_apart(fmt, y)
    sign = a.sign ^ b.sign
    short = a.significand < b.significand
    rest = jnp.where(short, a.significand << u(1), a.significand)
    quotient = jnp.zeros_like(rest)
    # schoolbook division, a bit at a time: faster than vectors of integer divisions
    for place in range(27):
        fits = rest >= b.significand
        rest = jnp.where(fits, rest - b.significand, rest)
        quotient = (quotient << u(1)) | fits.astype(jnp.uint32)
        rest = rest << u(1) if place < 26 else rest
    extended = quotient | (rest != 0).astype(jnp.uint32)
    exponent = a.exponent - b.exponent - short.astype(jnp.int32)
    bits, flags = put_together(fmt, rounding, sign, exponent, extended)
    x_zero, y_zero = a.significand == 0, b.significand == 0
    x_infinite, y_infinite = is_infinite(fmt, x), is_infinite(fmt, y)
    signs = sign << u(fmt.width - 1)
    bits = jnp.where(x_zero | y_infinite, signs, bits)
    bits = jnp.where(y_zero | x_infinite, signs | fmt.infinity, bits)
    special = x_zero | y_zero | x_infinite | y_infinite
    pole = raised((y_zero & ~x_infinite, Flags.DIVIDE_BY_ZERO))
    flags = jnp.where(special, pole, flags)
    invalid = (x_zero & y_zero) | (x_infinite & y_infinite)
    return finish(fmt, policy, (x, y), invalid, bits, flags)


def sqrt(fmt: Format, rounding: Rounding, policy: str, x):
    """(bits, flags) of the square root of x; that of -0 is -0."""
    a = take_apart(fmt, x)
    odd = (a.exponent & 1) != 0
    # 27 bits of the root of square * 2**29, two bits of the square at a time
    square = jnp.where(odd, a.significand << u(1), a.significand)
    rest, root = jnp.zeros_like(square), jnp.zeros_like(square)
    for place in range(27):
        shift = 23 - 2 * place
        pair = (square >> u(shift)) & u(3) if shift >= 0 else _tail(square, shift)
        rest = (rest << u(2)) | pair
        trial = (root << u(2)) | u(1)
        fits = rest >= trial
        rest = jnp.where(fits, rest - trial, rest)
        root = (root << u(1)) | fits.astype(jnp.uint32)
    extended = root | (rest != 0).astype(jnp.uint32)
    exponent = (a.exponent - odd.astype(jnp.int32)) >> 1
    bits, flags = put_together(
        fmt, rounding, jnp.zeros_like(x), exponent, extended | EXTENDED_LEADING
    )
    zero = a.significand == 0
    same = zero | is_infinite(fmt, x)
    bits = jnp.where(same, x, bits)
    flags = jnp.where(same, jnp.uint8(0), flags)
    invalid = (a.sign != 0) & ~zero & ~is_nan(fmt, x)
    return finish(fmt, policy, (x,), invalid, bits, flags)


def _tail(square, shift):
    """The pair of bits that straddles the end of `square`, or lies behind it."""
    return (square << u(1)) & u(3) if shift == -1 else u(0)
