"""pow(x, y) = 2**(y log2 |x|), with the special cases of IEEE 754-2019, 9.2.1."""

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike

from torchlean_jax.domains.ieee32._functions._convert import (
    INFINITY,
    MAGNITUDE,
    QUIET_NAN,
    Bits,
    checked,
    narrow,
    widen,
)
from torchlean_jax.domains.ieee32._functions._exp import exp2_values
from torchlean_jax.domains.ieee32._functions._log import log2_values


def exponent(y, logarithm):
    """log2 of the result."""
    return y * logarithm


def pow_values(x, y):
    """x**y for float64 values of binary32 numbers."""
    size = jnp.abs(x)
    ordinary = (size > 0) & (size < jnp.inf) & (size != 1)
    t = exponent(y, log2_values(jnp.where(ordinary, size, 2.0)))
    result = exp2_values(jnp.clip(t, -151.0, 129.0))
    grows = (size > 1) == (y > 0)
    result = jnp.where(ordinary, result, jnp.where(grows, jnp.inf, 0.0))
    whole = jnp.floor(y) == y
    odd = whole & (jnp.floor(0.5 * y) != 0.5 * y)
    result = jnp.where((size == 1) | (y == 0), 1.0, result)
    result = jnp.where(jnp.signbit(x) & odd, -result, result)
    # A negative finite number has only integer powers; infinities count as even.
    return jnp.where((x < 0) & (x > -jnp.inf) & ~whole & (y != 0), jnp.nan, result)


@jax.jit
def _pow(x, y):
    nan = ((x & MAGNITUDE) > INFINITY) | ((y & MAGNITUDE) > INFINITY)
    result = jnp.where(nan, QUIET_NAN, narrow(pow_values(widen(x), widen(y))))
    one = jnp.uint32(0x3F800000)
    return jnp.where((x == one) | ((y & MAGNITUDE) == 0), one, result)


def pow(x: ArrayLike, y: ArrayLike) -> Bits:
    """x to the power y, on bit patterns.

    Within 1 ulp; in fact within 1/2 + 2**-19 ulp, so an exact power that is a binary32
    number is the result, and one that lies midway between two may go either way.
    pow(x, 0) and pow(1, y) are 1, for NaN too.
    """
    with jax.enable_x64(True):
        return _pow(checked(x, "pow"), checked(y, "pow"))
