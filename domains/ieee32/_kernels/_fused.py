"""The fused product and sum in integers: x * y + z with one rounding.

The exact product has 48 bits, so numbers are pairs of words here, high and low, with
the leading bit at bit 61 of the 64 and the last bit sticky.
"""

from typing import NamedTuple

import jax.numpy as jnp
from jax import Array, lax

from torchlean_jax.domains.ieee32._format import Format, Rounding
from torchlean_jax.domains.ieee32._kernels._nan import finish
from torchlean_jax.domains.ieee32._kernels._pieces import (
    LEADING,
    is_infinite,
    is_nan,
    put_together,
    take_apart,
    u,
    zero_of_sum,
)
from torchlean_jax.domains.ieee32._kernels._product import product


class Pair(NamedTuple):
    high: Array
    low: Array


def fma(fmt: Format, rounding: Rounding, policy: str, x, y, z):
    """(bits, flags) of x * y + z."""
    a, b, c = (take_apart(fmt, v) for v in (x, y, z))
    sign = a.sign ^ b.sign
    high, low = product(a.significand, b.significand)
    short = high < LEADING
    left = u(14) + short.astype(jnp.uint32)
    term = _shift_left(Pair(high >> u(8), (high << u(24)) | low), left)
    exponent = a.exponent + b.exponent + 1 - short.astype(jnp.int32)
    other = Pair(c.significand << u(6), jnp.zeros_like(low))
    no_term, no_other = (term.high == 0), (c.significand == 0)
    # zero lies below everything, whatever its exponent came out as
    exponent = jnp.where(no_term, -(1 << 20), exponent)
    c_exponent = jnp.where(no_other, -(1 << 20), c.exponent)

    swap = (c_exponent > exponent) | ((c_exponent == exponent) & _less(term, other))
    big, small = _choose(swap, other, term), _choose(swap, term, other)
    big_sign = jnp.where(swap, c.sign, sign)
    top = jnp.where(swap, c_exponent, exponent)
    gap = jnp.abs(c_exponent - exponent)
    small = _shift_right_jam(small, jnp.minimum(gap, 63).astype(jnp.uint32))
    opposite = sign != c.sign
    exact = _choose(opposite, _minus(big, small), _plus(big, small))
    extended, shift = _leading_27(exact)
    bits, flags = put_together(fmt, rounding, big_sign, top + shift, extended)

    nothing = (exact.high | exact.low) == 0
    bits = jnp.where(nothing, zero_of_sum(fmt, rounding, sign, c.sign), bits)
    x_infinite, y_infinite = is_infinite(fmt, x), is_infinite(fmt, y)
    infinite = x_infinite | y_infinite
    signs = sign << u(fmt.width - 1)
    bits = jnp.where(infinite, signs | fmt.infinity, bits)
    z_infinite = is_infinite(fmt, z)
    bits = jnp.where(z_infinite, z, bits)
    flags = jnp.where(nothing | infinite | z_infinite, jnp.uint8(0), flags)
    # inf * 0 is invalid even beside a quiet NaN (7.2 leaves that open)
    no_product = (x_infinite & (b.significand == 0)) | (
        y_infinite & (a.significand == 0)
    )
    against = infinite & z_infinite & opposite & ~is_nan(fmt, x) & ~is_nan(fmt, y)
    invalid = no_product | against
    return finish(fmt, policy, (x, y, z), invalid, bits, flags)


def _leading_27(x: Pair):
    """(27 bits from the leading one down, the last sticky; what that adds to the
    exponent of a number whose leading bit is bit 61)."""
    zeros = jnp.where(x.high != 0, lax.clz(x.high), u(32) + lax.clz(x.low))
    aligned = _shift_left(x, jnp.minimum(zeros, u(63)))
    sticky = ((aligned.high & u(31)) | aligned.low) != 0
    extended = (aligned.high >> u(5)) | sticky.astype(jnp.uint32)
    return extended, 2 - zeros.astype(jnp.int32)


def _choose(flag, x: Pair, y: Pair) -> Pair:
    return Pair(jnp.where(flag, x.high, y.high), jnp.where(flag, x.low, y.low))


def _less(x: Pair, y: Pair):
    return (x.high < y.high) | ((x.high == y.high) & (x.low < y.low))


def _plus(x: Pair, y: Pair) -> Pair:
    low = x.low + y.low
    return Pair(x.high + y.high + (low < x.low).astype(jnp.uint32), low)


def _minus(x: Pair, y: Pair) -> Pair:
    borrow = (x.low < y.low).astype(jnp.uint32)
    return Pair(x.high - y.high - borrow, x.low - y.low)


def _shift_left(x: Pair, by) -> Pair:
    """By 0 to 63. No word is shifted by 32, which hardware does not define."""
    far = by >= u(32)
    high, low = jnp.where(far, x.low, x.high), jnp.where(far, u(0), x.low)
    by = by & u(31)
    crossing = (low >> u(1)) >> (u(31) - by)
    return Pair((high << by) | crossing, low << by)


def _shift_right_jam(x: Pair, by) -> Pair:
    """By 0 to 63, with everything shifted out or-ed into the last bit."""
    far = by >= u(32)
    high, low = jnp.where(far, u(0), x.high), jnp.where(far, x.high, x.low)
    lost = jnp.where(far, x.low, u(0))
    by = by & u(31)
    crossing = (high << u(1)) << (u(31) - by)
    lost = lost | ((low << u(1)) << (u(31) - by))
    sticky = (lost != 0).astype(jnp.uint32)
    return Pair(high >> by, (low >> by) | crossing | sticky)
