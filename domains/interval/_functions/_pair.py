"""Unevaluated sums of two floats, built so that no compiler pass can spoil them.

A `Pair` is a head `h` with half the significand bits and a correction `l`; it stands
for h + l, to about one and a half times the working precision. The classical error-free
transformations (two-sum, two-product) subtract a rounded result from its own operands,
and a compiler that contracts a product into a fused multiply-add, or that cancels (a +
b) - a, silently destroys them. Here the head is cut off *in the integer bits*, which no
floating-point pass sees through:

* head * head is exact, so fusing it into a following addition changes nothing;
* head - (what the head was cut from) is exact, and never of the form (a + b) - a.

Division is trusted to 2 ulp only (rewriting x / c to x * (1 / c) costs 1.5), and
square root not at all: quotient or root are cut to a head, whose residual is exact, and
the residual gives the correction, so that errors of the operation count only k times.

Error bounds, with u the unit roundoff and k = 2**-11 (binary32) or 2**-25 (binary64)
the relative size of what is cut off, are stated at each operation.
`scripts/_tracked.py` holds the same bounds in executable form; the bounds in
`_coefficients.py` are computed by it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import jax.numpy as jnp
from jax import lax

# The number of low significand bits that a head has cleared: 12 of 24, or 27 of 53.
_CLEARED = {"float32": 12, "float64": 27}
_INTEGER = {"float32": jnp.int32, "float64": jnp.int64}


def bits_of(x):
    """The bit pattern of `x` as signed integers of the same width."""
    return lax.bitcast_convert_type(x, _INTEGER[x.dtype.name])


def from_bits(bits, dtype):
    """The floats whose bit patterns are `bits`."""
    return lax.bitcast_convert_type(bits, dtype)


def bits_kept(dtype):
    """The number of significand bits of a head; k = 2**(1 - bits_kept)."""
    return jnp.finfo(dtype).nmant + 1 - _CLEARED[dtype.name]


def high(x):
    """`x` cut towards zero to its upper half; x - high(x) is exact, below k |x|."""
    mask = -(1 << _CLEARED[x.dtype.name])
    return from_bits(bits_of(x) & mask, x.dtype)


@dataclass(frozen=True, slots=True)
class Pair:
    """The real number h + l, with `h` cut to half the significand bits."""

    h: Any
    l: Any  # noqa: E741  (the usual name of the low part)

    @staticmethod
    def of(x):
        """An array as a pair, exactly."""
        h = high(x)
        return Pair(h, x - h)

    def value(self):
        """One float: one rounding, u |h + l|."""
        return self.h + self.l

    def tidy(self):
        """The same with |l| < 1.1 k |h|; needs |l| < (1 - 4k) |h|; errs by u k |h|."""
        s = high(self.h + self.l)
        return Pair(s, (self.h - s) + self.l)

    def plus(self, other, correction=0.0):
        """self + other + correction, where `other` is a pair or an array.

        Needs the larger term first: |other.h| <= 2 |self.h| when both heads are cut
        (any pair made here), |other.h| <= (1 - 4k) |self.h| when one of them is a plain
        array, or self.h == 0. Then self.h - s is a multiple of the last place of the
        shorter operand, too few of them to need rounding; so the part that was cut off
        is exact up to u k |sum|, and what remains is the rounding of the corrections, 3
        u (their magnitudes).
        """
        b, c = (other.h, other.l) if isinstance(other, Pair) else (other, None)
        s = high(self.h + b)
        cut = (self.h - s) + b
        low = self.l + correction if c is None else (self.l + c) + correction
        return Pair(s, cut + low)

    def corrected(self, correction):
        """self + correction, the correction not above a tenth of self; errs by u |l +
        correction|.
        """
        return Pair(self.h, self.l + correction)

    def minus(self, other):
        """self - other, under the condition of `plus`."""
        return self.plus(-other)

    def __neg__(self):
        return Pair(-self.h, -self.l)

    def times(self, other):
        """The product; errs by 3 u (|h l'| + |l h'| + |l l'|) + u k |h h'|."""
        h = self.h * other.h
        low = self.h * other.l + self.l * other.h + self.l * other.l
        s = high(h)
        return Pair(s, (h - s) + low)

    def scaled(self, power_of_two):
        """The product with a power of two: exact, as long as nothing underflows."""
        return Pair(self.h * power_of_two, self.l * power_of_two)

    def over(self, other):
        """The quotient, through an exact residual.

        With q the cut quotient, h - q h' is exact (12 + 12 bits, or 26 + 26, and
        cancellation), so the correction errs only by its own roundings:
        2 u (|q l'| + |h - q h'| + |residual|) / |h'| + 8 u |l|.
        """
        divisor = other.h + other.l
        q = high((self.h + self.l) / divisor)
        residual = ((self.h - q * other.h) - q * other.l) + self.l
        return Pair(q, residual / divisor)

    def sqrt(self):
        """The square root of a positive pair, NaN where the library's root is not one.

        s is the library's root, cut; s * s is exact, and sqrt(x) - s = residual /
        (sqrt(x) + s), where sqrt(x) + s is 2 s + residual / (2 s) to second order. The
        correction is checked to be below 4 k s, so no property of the library's root is
        assumed; it errs by (4 k**2 + 10 u) |l| + u |residual| / s.
        """
        s = high(jnp.sqrt(self.h + self.l))
        residual = (self.h - s * s) + self.l
        low = residual / (2 * s + residual / (2 * s))
        plausible = jnp.abs(low) <= s * 2.0 ** (3 - bits_kept(s.dtype))
        return Pair(jnp.where(plausible, s, jnp.nan), low)


def select(condition, a, b):
    """The pair `a` where `condition` holds, else `b`."""
    return Pair(jnp.where(condition, a.h, b.h), jnp.where(condition, a.l, b.l))


def total(a, b):
    """a + b for pairs of any order of size."""
    larger = jnp.abs(a.h) > jnp.abs(b.h)
    return select(larger, a, b).plus(select(larger, b, a))


def two_to(k, dtype):
    """2**k as a float of `dtype`, for integers `k` in the range of normal numbers."""
    kind = jnp.finfo(dtype)
    bits = (k.astype(_INTEGER[dtype.name]) + (1 - kind.minexp)) << kind.nmant
    return from_bits(bits, dtype)
