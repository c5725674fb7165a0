"""Rounding to integral values, and remainders, in integers."""

import jax.numpy as jnp
from jax import lax

from torchlean_jax.domains.ieee32._format import Flags, Format, Rounding
from torchlean_jax.domains.ieee32._kernels._nan import finish
from torchlean_jax.domains.ieee32._kernels._pieces import (
    increments,
    is_infinite,
    is_nan,
    put_together,
    raised,
    take_apart,
    u,
)


def to_integral(fmt: Format, rounding: Rounding, policy: str, x):
    """(bits, flags) of x rounded to an integer in the same format; inexact is raised
    where that changes it (roundToIntegralExact)."""
    magnitude = x & fmt.magnitude
    field = (magnitude >> u(fmt.fraction_bits)).astype(jnp.int32)
    sign = x >> u(fmt.width - 1)
    leading = jnp.where(field != 0, fmt.smallest_normal, u(0))
    significand = (magnitude & fmt.fraction) | leading
    # so many bits lie behind the point; two beyond the leading one are as good as more
    behind = jnp.clip(fmt.fraction_bits + fmt.bias - field, 0, fmt.fraction_bits + 2)
    behind = behind.astype(jnp.uint32)
    quotient = significand >> behind
    rest = significand - (quotient << behind)
    half = (u(1) << behind) >> u(1)
    up = (rest != 0) & increments(rounding, sign, quotient, rest, half)
    quotient = quotient + up.astype(jnp.uint32)
    above_one = field >= fmt.bias
    base = (jnp.maximum(field, 1) - 1).astype(jnp.uint32) << u(fmt.fraction_bits)
    rounded = jnp.where(
        above_one,
        base + (quotient << behind),
        jnp.where(quotient != 0, fmt.one, u(0)),
    )
    whole = field >= fmt.bias + fmt.fraction_bits
    bits = jnp.where(whole, x, rounded | (sign << u(fmt.width - 1)))
    flags = raised(((rest != 0) & ~whole, Flags.INEXACT))
    return finish(fmt, policy, (x,), jnp.zeros(x.shape, bool), bits, flags)


def truncated_remainder(fmt: Format, rounding: Rounding, policy: str, x, y):
    """(bits, flags) of x - trunc(x / y) * y, which is exact: C's `fmod`, `lax.rem`."""
    a, b, rest, shift, _ = _divide(fmt, x, y)
    return _remainder(fmt, policy, x, y, a.sign, b, rest, shift)


def ieee_remainder(fmt: Format, rounding: Rounding, policy: str, x, y):
    """(bits, flags) of x - n * y with n = x / y rounded to nearest, ties to even.

    Source: IEEE 754-2019, section 5.3.1.
    """
    a, b, rest, shift, odd = _divide(fmt, x, y)
    # twice the remainder against y, on the scale 2**(shift - 23) of the remainder,
    # which is that of y unless x was the smaller one from the start
    behind = jnp.clip(b.exponent - shift, 0, 2).astype(jnp.uint32)
    divisor = b.significand << behind
    more = (rest << u(1) > divisor) | ((rest << u(1) == divisor) & odd)
    rest = jnp.where(more, divisor - rest, rest)
    sign = jnp.where(more, a.sign ^ u(1), a.sign)
    return _remainder(fmt, policy, x, y, sign, b, rest, shift, a.sign)


def _divide(fmt, x, y):
    """Long division: x = q y + rest, with the last bit of q.

    The rest comes as (integer, exponent): rest * 2**(exponent - 23).
    """
    a, b = take_apart(fmt, x), take_apart(fmt, y)
    finite = ~(is_nan(fmt, x) | is_nan(fmt, y) | is_infinite(fmt, x))
    usable = finite & (b.significand != 0) & ~is_infinite(fmt, y)
    steps = jnp.where(usable, a.exponent - b.exponent, -1)

    def subtract(rest, odd, active):
        fits = rest >= b.significand
        rest = jnp.where(active & fits, rest - b.significand, rest)
        return rest, jnp.where(active, fits, odd)

    def step(state):
        rest, odd, left = state
        for _ in range(8):
            active = left > 0
            rest = jnp.where(active, rest << u(1), rest)
            rest, odd = subtract(rest, odd, active)
            left = left - 1
        return rest, odd, left

    start = subtract(a.significand, jnp.zeros(steps.shape, bool), steps >= 0)
    rest, odd, _ = lax.while_loop(
        lambda state: jnp.any(state[2] > 0), step, (*start, steps)
    )
    return a, b, rest, jnp.where(steps >= 0, b.exponent, a.exponent), odd


def _remainder(fmt, policy, x, y, sign, b, rest, shift, zero_sign=None):
    """The rest as a number; it is exact, so any rounding direction will do."""
    zeros = lax.clz(rest)
    extended = rest << (jnp.minimum(zeros, u(31)) - u(5))
    exponent = shift + 8 - zeros.astype(jnp.int32)
    bits, _ = put_together(fmt, Rounding.TOWARD_ZERO, sign, exponent, extended)
    if zero_sign is None:
        zero_sign = sign
    bits = jnp.where(rest == 0, zero_sign << u(fmt.width - 1), bits)
    bits = jnp.where(is_infinite(fmt, y), x, bits)
    invalid = is_infinite(fmt, x) | (b.significand == 0)
    invalid = invalid & ~is_nan(fmt, x) & ~is_nan(fmt, y)
    flags = jnp.zeros(bits.shape, jnp.uint8)
    return finish(fmt, policy, (x, y), invalid, bits, flags)
