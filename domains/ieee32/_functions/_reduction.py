"""x - k pi/2 for binary32 numbers of any size.

Up to 2**22, k times each of two 30-bit pieces of pi/2 is exact, and so is the first
subtraction; k times the rest is tiny. Beyond, x 2/pi is computed modulo 4 in integers
(Payne and Hanek 1983): x = m 2**e, and those bits of 2/pi that are multiplied into
multiples of 4 are left out. 128 bits follow, of which 126 are the fraction; next to a
multiple of pi/2, at least 2**-34 away (`closest` in the script that derives the
numbers), 92 remain.
"""

import jax.numpy as jnp
import numpy as np
from jax import lax

from torchlean_jax.domains.ieee32._functions._convert import bits_of
from torchlean_jax.domains.ieee32._functions._table import T

LIMIT = 2.0**22
_LOW = np.uint64(0xFFFFFFFF)


def moderate(x):
    """`(r, k)` for 0 <= x < LIMIT; k as int64."""
    k = jnp.round(x * T.two_over_pi)
    first, second, third = T.half_pi_pieces
    r = ((x - k * first) - k * second) - k * third
    return r, k.astype(jnp.int64)


def _window(e):
    """The 128 bits of 2/pi from that of weight 2**(1 - e) on, as four words.

    e: int32 in [-2, 104]. `two_over_pi_words` starts with a word of zeros.
    """
    position = e + 30
    start, shift = position >> 5, (position & 31).astype(jnp.uint64)

    def word(i):
        words = T.two_over_pi_words
        chosen = jnp.full(e.shape, words[i], jnp.uint64)
        for j in range(1, 5):
            chosen = jnp.where(start == j, np.uint64(words[i + j]), chosen)
        return chosen

    words = [word(i) for i in range(5)]
    return [(((words[i] << 32 | words[i + 1]) << shift) >> 32) & _LOW for i in range(4)]


def _product(m, words):
    """m times four words, modulo 2**128, as (high, low) uint64."""
    carry, digits = jnp.zeros_like(m), []
    for w in words[::-1]:
        carry = m * w + carry
        digits.append(carry & _LOW)
        carry = carry >> 32
    fourth, third, second, first = digits
    return (first << 32) | second, (third << 32) | fourth


def fraction_kernel(first, second, third, t):
    """(first 2**-30 + second 2**-62 + third 2**-94) pi/2, from 32-bit integers."""
    f = first * 2.0**-30 + (second * 2.0**-62 + third * 2.0**-94)
    return f * t.half_pi


def huge(x):
    """`(r, k)` for LIMIT <= x < 2**128 (and values without meaning elsewhere)."""
    pattern = bits_of(x)
    e = jnp.clip((pattern >> 52) - (1023 + 23), -2, 104).astype(jnp.int32)
    m = ((pattern >> 29) & 0x7FFFFF | 0x800000).astype(jnp.uint64)
    high, low = _product(m, _window(e))
    k = (high + np.uint64(1 << 61)) >> 62
    high = high - (k << 62)
    negative = (high >> 63) != 0
    low = jnp.where(negative, ~low + 1, low)
    high = jnp.where(negative, ~high + (low == 0), high)
    words = [high >> 32, high & _LOW, low >> 32]
    first, second, third = (w.astype(jnp.int64).astype(jnp.float64) for w in words)
    r = fraction_kernel(first, second, third, T)
    return jnp.where(negative, -r, r), k.astype(jnp.int64)


def reduced(x):
    """`(r, k)` with x = k pi/2 + r, |r| < 0.7854, for 0 <= x < 2**128; k modulo 4."""
    x = jnp.where(x < jnp.inf, x, 0.0)
    large = x >= LIMIT

    def everything(x):
        pairs = zip(huge(x), moderate(jnp.minimum(x, LIMIT)), strict=True)
        return tuple(jnp.where(large, a, b) for a, b in pairs)

    # One branch for all elements: few programs take the sine of four million.
    return lax.cond(jnp.any(large), everything, moderate, x)
