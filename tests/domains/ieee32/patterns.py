"""Bit patterns on which floating-point units go wrong: edges, ties, cancellations.

Arrays of unsigned integers, for a format given by its two widths.
"""

import numpy as np


def edges(exponent_bits, fraction_bits):
    """Each interesting exponent field with each interesting fraction, both signs."""
    top, one = (1 << exponent_bits) - 1, 1 << fraction_bits
    bias = top >> 1
    fields = {0, 1, 2, top, top - 1, top - 2, *range(bias - 3, bias + 4)}
    fields |= {bias + fraction_bits + d for d in (-1, 0, 1, 2)}
    fields |= {1 + fraction_bits, bias - fraction_bits}
    fractions = {0, 1, 2, 3, one - 1, one - 2, one >> 1, (one >> 1) - 1, (one >> 1) + 1}
    words = [
        sign << (exponent_bits + fraction_bits) | field << fraction_bits | fraction
        for sign in (0, 1)
        for field in sorted(f for f in fields if 0 <= f <= top)
        for fraction in sorted(fractions)
    ]
    return np.array(words, np.uint32)


def adversarial(rng, count, operands, exponent_bits=8, fraction_bits=23):
    """`operands` arrays of `count` words each that were made to go together badly."""
    width = exponent_bits + fraction_bits
    words = rng.integers(0, 1 << (width + 1), (operands, count), dtype=np.uint64)
    words = words.astype(np.uint32)
    some = edges(exponent_bits, fraction_bits)
    kind = rng.integers(0, 6, count)
    # near operands: sums that cancel, quotients near 1
    near = words[0] + rng.integers(-4, 5, (operands, count)).astype(np.uint32)
    near ^= rng.integers(0, 2, (operands, count)).astype(np.uint32) << np.uint32(width)
    # few significant bits: exact results and ties
    gap = rng.integers(0, fraction_bits + 1, (operands, count)).astype(np.uint32)
    short = words >> gap << gap
    # exponents that differ by about the precision: sticky bits decide
    shift = rng.integers(-fraction_bits - 3, fraction_bits + 4, (operands, count))
    apart = words + (shift << fraction_bits).astype(np.uint32)
    apart[0] = words[0]
    # subnormal, or nearly
    limit = 3 << fraction_bits
    tiny = words % np.uint32(limit) | (words & np.uint32(1 << width))
    edge = some[rng.integers(0, len(some), (operands, count))]
    mask = np.uint32((1 << (width + 1)) - 1)
    return np.choose(kind, [words, near, short, apart, tiny, edge]) & mask


def floats(words):
    """uint32 words as the float32 numbers that they encode."""
    return np.asarray(words, np.uint32).view(np.float32)


def same_bits(got, expected):
    """Where two arrays of float32 numbers agree: bit for bit, or both NaN."""
    got, expected = np.asarray(got, np.float32), np.asarray(expected, np.float32)
    agree = got.view(np.uint32) == expected.view(np.uint32)
    return agree | (np.isnan(got) & np.isnan(expected))
