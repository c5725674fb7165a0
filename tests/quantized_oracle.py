"""A dense network in integers, from the rules of docs/numbers.md and nothing of ours.

Python's integers, NumPy's int64 and exact fractions. Inputs are exact: weights and
activations of the networks in the tests are small dyadic numbers, so that the ranges
observed in calibration do not depend on the order of float sums.
"""

from fractions import Fraction

import numpy as np


def to_even(numerators, denominator):
    """numerators / denominator to the nearest integer, halves to even; int64."""
    whole, rest = np.divmod(numerators, denominator)
    up = (2 * rest > denominator) | ((2 * rest == denominator) & (whole % 2 == 1))
    return whole + up


def nearest(x: float, unit: float) -> int:
    return round(Fraction(x) / Fraction(unit))  # Python rounds halves to even


def grid(span, bits, symmetric):
    lo, hi = min(span[0], 0.0), max(span[1], 0.0)
    first, last = -(2 ** (bits - 1)), 2 ** (bits - 1) - 1
    scale = max(lo / first, hi / last) if symmetric else (hi - lo) / (last - first)
    return scale, 0 if symmetric else round(first - lo / scale)


def rescale(values, ratios, reach):
    """values[..., c] * ratios[c] as M / 2**k, for |values| <= reach."""
    surplus = max(0, reach.bit_length() - 19)
    if surplus:
        values, reach = to_even(values, 2**surplus), (reach >> surplus) + 1
        ratios = [r * 2.0**surplus for r in ratios]
    columns = []
    for column, ratio in enumerate(ratios):
        k = max(k for k in range(31) if round(ratio * 2.0**k) * reach < 2**29)
        product = values[..., column] * round(ratio * 2.0**k)
        columns.append(to_even(product, 2**k))
    return np.stack(columns, -1)


def network(layers, calibration, x, *, bits, weight_bits, per_channel, symmetric):
    """Outputs, exactly, at inputs x: float64[n, d] of [(weight, bias), ...] and ReLU
    between layers."""
    first, last = -(2 ** (bits - 1)), 2 ** (bits - 1) - 1
    seen = np.asarray(calibration, np.float64)
    scale, _ = grid((seen.min(), seen.max()), bits, symmetric)
    exponent = 0  # of the least power of two that is no smaller
    while 2.0**exponent < scale:
        exponent += 1
    while 2.0 ** (exponent - 1) >= scale:
        exponent -= 1
    scale = 2.0**exponent
    lo = min(seen.min(), 0.0)
    z = 0 if symmetric else round(first - lo / scale)
    steps = np.rint(np.asarray(x, np.float64) / scale)  # exact: a power of two
    q = np.clip(steps, first - z, last - z).astype(np.int64)  # already without z
    for depth, (weight, bias) in enumerate(layers):
        weight, bias = np.asarray(weight, np.float64), np.asarray(bias, np.float64)
        most_weight = 2 ** (weight_bits - 1) - 1
        largest = (
            np.abs(weight).max(0) if per_channel else [np.abs(weight).max()] * len(bias)
        )
        units = [big / most_weight for big in largest]
        w = np.array(
            [[nearest(v, u) for v, u in zip(r, units, strict=True)] for r in weight]
        )
        b = [nearest(v, scale * u) for v, u in zip(bias, units, strict=True)]
        total = q @ w + np.array(b)
        ends = first - z, last - z
        positive = int(np.maximum(w, 0).sum(0).max())
        negative = int(np.maximum(-w, 0).sum(0).max())
        low = -(positive * -ends[0] + negative * ends[1]) + min(b)
        high = positive * ends[1] + negative * -ends[0] + max(b)
        seen = seen @ weight + bias
        scales = [scale * u for u in units]
        if depth == len(layers) - 1:
            return finish(total, scales, max(-low, high, 1))
        total, seen = np.maximum(total, 0), np.maximum(seen, 0)
        scale, z = grid((seen.min(), seen.max()), bits, symmetric)
        q = rescale(total, [s / scale for s in scales], max(high, 1))
        q = np.clip(q + z, first, last) - z
    return None


def finish(total, scales, reach):
    """The last sums on a grid of a power of two, as floats, which is exact."""
    bound, unit = max(scales) * reach, 1.0
    while unit < bound:
        unit *= 2
    while unit / 2 > bound:
        unit /= 2
    unit /= 2**23
    return rescale(total, [s / unit for s in scales], reach) * unit
