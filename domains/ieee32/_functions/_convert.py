"""Between binary32 bit patterns and float64 values, and the shape of every function.

XLA flushes subnormal binary32 numbers on CPU, and may compute differently in another
fusion. So the conversion in, the rounding back and every decision about bits are done
in integers; between them there is one float64 evaluation, of which only an error bound
is known: |computed - exact| <= `ERRORS[name]` 2**-53 |exact|. `HARD_CASES[name]` lists
every input whose exact result is not further than that from a midpoint of two
neighbouring binary32 numbers, with its result; of all others, one rounding of the
float64 value is the correctly rounded result.

No subnormal float64 number occurs: the smallest binary32 number is 2**-149.
"""

import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.typing import ArrayLike
from jaxtyping import Array, UInt32

from torchlean_jax.domains.ieee32._functions._hard_cases import HARD_CASES

Bits = UInt32[Array, "*shape"]

SIGN = np.uint32(0x80000000)
MAGNITUDE = np.uint32(0x7FFFFFFF)
INFINITY = np.uint32(0x7F800000)
QUIET_NAN = np.uint32(0x7FC00000)
SMALLEST_NORMAL = np.uint32(0x00800000)

_MAGNITUDE64 = np.int64(0x7FFFFFFFFFFFFFFF)
_INFINITY64 = np.int64(0x7FF0000000000000)


def bits_of(y):
    """The bit pattern of float64 values as int64."""
    return lax.bitcast_convert_type(y, jnp.int64)


def float_of(bits):
    """The float64 values of int64 bit patterns."""
    return lax.bitcast_convert_type(bits, jnp.float64)


def two_to(k):
    """2**k for float64 integers k in the exponent range."""
    return float_of((k.astype(jnp.int64) + 1023) << 52)


def cut(y, bits):
    """y, cut towards zero to its leading `bits` significand bits."""
    return float_of(bits_of(y) & np.int64(-(1 << (53 - bits))))


def widen(bits):
    """The exact float64 values of binary32 bit patterns."""
    size = bits & MAGNITUDE
    # A subnormal number is its pattern times 2**-149; a conversion would flush it.
    tiny = size.astype(jnp.int32).astype(jnp.float64) * 2.0**-149
    normal = lax.bitcast_convert_type(size, jnp.float32).astype(jnp.float64)
    value = jnp.where(size < SMALLEST_NORMAL, tiny, normal)
    return jnp.where(bits >= SIGN, -value, value)


def narrow(y):
    """The binary32 bit patterns nearest to float64 values, ties to even."""
    pattern = bits_of(y)
    size = pattern & _MAGNITUDE64
    # Round the 29 low bits away and change the exponent's bias from 1023 to 127.
    odd = (size >> 29) & 1
    normal = ((size + (0x0FFFFFFF + odd)) >> 29) - (896 << 23)
    normal = jnp.minimum(normal, 0x7F800000)
    # The last place of 2**-97 is 2**-149, so this sum is rounded as a subnormal is, and
    # the low bits of its significand are the result.
    tiny = bits_of(float_of(size) + 2.0**-97) & 0xFFFFFF
    result = jnp.where(size < (897 << 52), tiny, normal)
    result = jnp.where(size > _INFINITY64, 0x7FC00000, result)
    sign = (pattern >> 32).astype(jnp.uint32) & SIGN
    return result.astype(jnp.uint32) | sign


def checked(bits, name):
    """`bits` as an array, or a TypeError that names the function."""
    bits = jnp.asarray(bits)
    if bits.dtype != jnp.uint32:
        raise TypeError(
            f"{name} takes the bit patterns of binary32 numbers as uint32, "
            f"not {bits.dtype}; lax.bitcast_convert_type(x, 'uint32') gives them"
        )
    return bits


def settle(result, key, cases):
    """`result`, with that of the hard cases put in its place."""
    for bits, value in cases.items():
        result = jnp.where(key == np.uint32(bits), np.uint32(value), result)
    return result


@dataclass(frozen=True, eq=False, slots=True, weakref_slot=True)
class CorrectlyRounded:
    """A function on bit patterns, made of one on float64 values.

    values: float64 -> float64, total: NaN outside the domain, limits at infinities.
    symmetry: "odd" and "even" functions are evaluated, and have their hard cases
    listed, for positive arguments. fixes_tiny: f(x) = x for zeros and subnormal
    numbers, which differ from f(x) by less than x**2 < 2**-250. reasoned_below: for
    smaller |x|, `values` says why its result rounds right; no bound is claimed there.
    """

    name: str
    values: Callable[[Any], Any]
    symmetry: str = "none"
    fixes_tiny: bool = False
    reasoned_below: float = 0.0

    def __call__(self, bits: ArrayLike) -> Bits:
        with jax.enable_x64(True):
            return _evaluate(self, checked(bits, self.name))


@functools.partial(jax.jit, static_argnums=0)
def _evaluate(function, bits):
    size = bits & MAGNITUDE
    key = bits if function.symmetry == "none" else size
    result = narrow(function.values(widen(key)))
    result = settle(result, key, HARD_CASES.get(function.name, {}))
    if function.fixes_tiny:
        result = jnp.where(size < SMALLEST_NORMAL, key, result)
    if function.symmetry == "odd":
        result = result ^ (bits & SIGN)
    nan = (size > INFINITY) | ((result & MAGNITUDE) > INFINITY)
    return jnp.where(nan, QUIET_NAN, result)
