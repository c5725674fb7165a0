"""Sums in integers: x + y."""

import jax.numpy as jnp
from jax import lax

from torchlean_jax.domains.ieee32._format import Format, Rounding
from torchlean_jax.domains.ieee32._kernels._nan import finish
from torchlean_jax.domains.ieee32._kernels._pieces import (
    is_infinite,
    is_nan,
    put_together,
    shift_right_jam,
    take_apart,
    u,
    zero_of_sum,
)


def add(fmt: Format, rounding: Rounding, policy: str, x, y):
    """(bits, flags) of x + y."""
    swap = (y & fmt.magnitude) > (x & fmt.magnitude)
    big, small = jnp.where(swap, y, x), jnp.where(swap, x, y)
    a, b = take_apart(fmt, big), take_apart(fmt, small)
    # zero has no exponent of its own; far below every other it takes no part
    gap = jnp.where(b.significand == 0, 31, a.exponent - b.exponent)
    aligned = shift_right_jam(b.significand << u(3), jnp.clip(gap, 0, 31))
    opposite = a.sign != b.sign
    # three bits below the last place are enough: where more than one place cancels, the
    # exponents differed by at most one, and nothing had been cut off
    exact = (a.significand << u(3)) + jnp.where(opposite, u(0) - aligned, aligned)
    carried = exact >= u(1 << 27)
    left = jnp.maximum(lax.clz(exact), u(5)) - u(5)
    extended = jnp.where(carried, (exact >> u(1)) | (exact & u(1)), exact << left)
    exponent = a.exponent + carried.astype(jnp.int32) - left.astype(jnp.int32)
    bits, flags = put_together(fmt, rounding, a.sign, exponent, extended)
    nothing = exact == 0
    bits = jnp.where(nothing, zero_of_sum(fmt, rounding, a.sign, b.sign), bits)
    infinite = is_infinite(fmt, big)
    bits = jnp.where(infinite, big, bits)
    flags = jnp.where(nothing | infinite, jnp.uint8(0), flags)
    invalid = infinite & is_infinite(fmt, small) & opposite
    return finish(fmt, policy, (x, y), invalid, bits, flags)


def sub(fmt: Format, rounding: Rounding, policy: str, x, y):
    """(bits, flags) of x - y; a NaN keeps its sign."""
    return add(fmt, rounding, policy, x, jnp.where(is_nan(fmt, y), y, y ^ fmt.sign))
