"""The quantised rule for a quotient of two values: one integer division.

With at most 28 bits for the numerator n and 14 for the divisor d, the result is n / d
rounded to nearest, halves away from 0: (2 n + sign(n) d) / (2 d) truncated, which 32
bits hold.
"""

import jax.numpy as jnp
import numpy as np
from jax import lax

from torchlean_jax.domains._errors import MissingRuleError
from torchlean_jax.domains.quantized._rescale import (
    WORKING_BITS,
    compact,
    constant,
    shifted,
)
from torchlean_jax.domains.quantized._value import Quantized

_NUMERATOR_BITS = 28
_DIVISOR_BITS = 14


def quotient(x, y: Quantized) -> Quantized:
    """x / y, for a divisor that calibration saw positive.

    Divisors below half of the least that was observed are taken as that half. The least
    that is possible bounds the quotient, and that bound costs the result its last bits.
    """
    if not Quantized.is_value(x):
        raise MissingRuleError(
            "a quantised division of known numbers that differ: write c * (1 / x)"
        )
    if y.span is None or not y.span[0] > 0:
        raise MissingRuleError(
            "a quantised divisor is positive in all of the calibration data"
        )
    divisor, down, _ = _in_bits(y, min(_DIVISOR_BITS, y.reach.bit_length()), 1)
    scale = compact(y.scale * 2.0**-down)
    smallest = np.maximum(np.floor(y.span[0] / 2 / scale), 1)
    smallest = np.minimum(smallest, 2**_DIVISOR_BITS)
    bits = min(_NUMERATOR_BITS, WORKING_BITS + int(smallest.min()).bit_length() - 1)
    twice, up, reach = _in_bits(x, bits, 2)
    divisor = lax.max(divisor, jnp.broadcast_to(constant(smallest), divisor.shape))
    half = divisor if x.least >= 0 else lax.sign(twice) * divisor
    result = lax.div(twice + half, 2 * divisor)
    most = reach // int(smallest.min()) + 1
    least = 0 if x.least >= 0 else -most
    return x.wide(result, x.scale * 2.0**-up / scale, least, most)


def _in_bits(x: Quantized, bits, factor):
    """(`factor` times the integers of `x` times 2**k with `bits` bits, k, a bound on
    the magnitude without the factor)."""
    power = bits - x.reach.bit_length()
    if power >= 0:
        by = factor * 2**power
        integers = x.centred() if by == 1 else x.centred() * np.int32(by)
        return integers, power, x.reach * 2**power
    return factor * shifted(x.centred(), np.array(-power)), power, 2**bits
