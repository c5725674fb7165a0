"""Rounding of rational numbers to a binary format, with Python's integers.

The slow and obvious way, to compare with: no bits are shared with the library.
"""

import math
from fractions import Fraction

import numpy as np

WIDTHS = {"float32": (8, 23), "float16": (5, 10), "bfloat16": (8, 7)}


def value(word: int, widths) -> Fraction | None:
    """The number that a word encodes; None if it is infinite or no number."""
    exponent_bits, fraction_bits = widths
    fraction = word & ((1 << fraction_bits) - 1)
    field = word >> fraction_bits & ((1 << exponent_bits) - 1)
    if field == (1 << exponent_bits) - 1:
        return None
    bias = (1 << (exponent_bits - 1)) - 1
    significand = fraction if field == 0 else fraction | 1 << fraction_bits
    scale = Fraction(2) ** (max(field, 1) - bias - fraction_bits)
    sign = -1 if word >> (exponent_bits + fraction_bits) else 1
    return sign * significand * scale


def rounded(number: Fraction, direction: str, widths) -> int:
    """The word of the number of the format that `number`, not 0, is rounded to."""
    exponent_bits, fraction_bits = widths
    bias = (1 << (exponent_bits - 1)) - 1
    negative, size = number < 0, abs(number)
    exponent = max(floor_log2(size), 1 - bias)
    unit = Fraction(2) ** (exponent - fraction_bits)
    count = whole(size / unit, direction, negative)
    if count * unit >= Fraction(2) ** (bias + 1):
        word = ((1 << exponent_bits) - 1) << fraction_bits
        inward = {"toward-zero": True, "down": not negative, "up": negative}
        word -= inward.get(direction, False)
    else:
        word = encoded(count, exponent, bias, fraction_bits)
    return word | negative << (exponent_bits + fraction_bits)


def whole(number: Fraction, direction: str, negative: bool) -> int:
    """A number above 0, the size of one with this sign, as a whole number."""
    if direction == "nearest-even":
        return round(number)  # Python rounds ties to even
    if direction == "nearest-away":
        return math.floor(number + Fraction(1, 2))
    outward = {"toward-zero": False, "down": negative, "up": not negative}[direction]
    return math.ceil(number) if outward else math.floor(number)


def encoded(count, exponent, bias, fraction_bits):
    if count == 2 << fraction_bits:
        count, exponent = 1 << fraction_bits, exponent + 1
    if count < 1 << fraction_bits:
        return count
    return (exponent + bias) << fraction_bits | count - (1 << fraction_bits)


def floor_log2(number: Fraction) -> int:
    guess = number.numerator.bit_length() - number.denominator.bit_length()
    return guess if Fraction(2) ** guess <= number else guess - 1


def fma(x: int, y: int, z: int, direction: str, widths) -> int | None:
    """The word of x * y + z for finite words; None where it is a zero."""
    a, b, c = (value(word, widths) for word in (x, y, z))
    if a is None or b is None or c is None or a * b + c == 0:
        return None
    return rounded(a * b + c, direction, widths)


def sequential(terms, add):
    """Reference order: the first, plus the second, plus the third..."""
    total = terms[0]
    for term in terms[1:]:
        total = add(total, term)
    return total


def pairwise(terms, add):
    """Reference order: neighbours, until one is left."""
    while len(terms) > 1:
        paired = [add(a, b) for a, b in zip(terms[::2], terms[1::2], strict=False)]
        terms = paired + ([terms[-1]] if len(terms) % 2 else [])
    return terms[0]


def fma32(x, y, z):
    """x * y + z of float32 numbers, rounded once."""
    words = [int(np.float32(v).view(np.uint32)) for v in (x, y, z)]
    word = fma(*words, "nearest-even", WIDTHS["float32"])
    if word is None:  # a zero, or not finite: float64 gets those right
        with np.errstate(all="ignore"):
            return np.float32(np.float64(x) * np.float64(y) + np.float64(z))
    return np.uint32(word).view(np.float32)
