"""binary16 and bfloat16 beside float64, which is wide enough to be the oracle.

A product of two such numbers is exact in float64. A sum is rounded there to 53 bits,
more than twice the 11 of the wider format and two besides, so that rounding it again
gives what one rounding would (Figueroa 1995).
"""

import ml_dtypes
import numpy as np

from tests.domains.ieee32.exact import WIDTHS

FORMATS = {"float16": np.float16, "bfloat16": ml_dtypes.bfloat16}
OPERATIONS = {"add": np.add, "mul": np.multiply}
ALL = np.arange(1 << 16, dtype=np.uint16)


def values(words, format_name):
    """uint16 words as float64 numbers."""
    with np.errstate(invalid="ignore"):  # signalling NaNs
        return words.view(FORMATS[format_name]).astype(np.float64)


def rounded(numbers, format_name):
    """float64 numbers to nearest even in the format, as float64: whole multiples of the
    unit that the exponent gives."""
    exponent_bits, fraction_bits = WIDTHS[format_name]
    bias = (1 << (exponent_bits - 1)) - 1
    _, above = np.frexp(numbers)
    unit = np.maximum(above - 1, 1 - bias) - fraction_bits
    result = np.ldexp(np.rint(np.ldexp(numbers, -unit)), unit)
    too_large = np.abs(result) >= 2.0 ** (bias + 1)
    return np.where(too_large, np.copysign(np.inf, result), result)


def mismatches(got, name, x, y, format_name):
    """How many of the words `got` are not `x` `name` `y`."""
    with np.errstate(all="ignore"):
        numbers = OPERATIONS[name](values(x, format_name), values(y, format_name))
        expected = rounded(numbers, format_name)
    got = values(np.asarray(got), format_name)
    same = (got == expected) & (np.signbit(got) == np.signbit(expected))
    return int(np.sum(~(same | (np.isnan(got) & np.isnan(expected)))))
