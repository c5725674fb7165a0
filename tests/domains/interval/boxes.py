"""Boxes and points to try, drawn from a seed, the awkward ones included."""

import math
from fractions import Fraction

import numpy as np

from tests.domains.interval.exact import fractions


def awkward(dtype):
    """Numbers at which something has gone wrong in some tool."""
    kind = np.finfo(dtype)
    small = [
        *(kind.smallest_subnormal, 3 * kind.smallest_subnormal, kind.tiny / 2),
        *(kind.tiny * (1 - kind.eps), kind.tiny, kind.tiny * 1.5, 1e-30, kind.eps),
    ]
    ordinary = [
        0.5,
        1 - kind.epsneg,
        1,
        1 + kind.eps,
        1.5,
        2,
        math.pi,
        3,
        10,
        88.5,
        1e8,
    ]
    large = [1e30, 2.0**125, kind.max / 2, kind.max]
    numbers = [0.0, *small, *ordinary, *large]
    return np.array([s * x for x in numbers for s in (1, -1)], dtype)


def floats(rng, shape, dtype, reach):
    """Floats of size up to `reach`: uniform, of every exponent, and awkward ones."""
    kind = np.finfo(dtype)
    uniform = rng.uniform(-1, 1, shape) * min(reach, 4.0)
    with np.errstate(all="ignore"):
        return _mixed(rng, shape, dtype, reach, kind, uniform)


def _mixed(rng, shape, dtype, reach, kind, uniform):
    exponent = rng.uniform(
        kind.minexp - 3, math.log2(min(reach, float(kind.max))), shape
    )
    spread = np.exp2(exponent) * rng.choice([-1, 1], shape)
    special = rng.choice(awkward(dtype), shape)
    mix = rng.choice(3, shape, p=[0.5, 0.25, 0.25])
    drawn = np.choose(mix, [uniform.astype(dtype), spread.astype(dtype), special])
    return np.where(np.abs(drawn) <= reach, drawn, uniform).astype(dtype)


def box(rng, shape, dtype, reach=np.inf, least=-np.inf, most=np.inf):
    """(lo, hi): wide ones, points, one ulp wide ones, and ones around zero."""
    reach = float(min(reach, np.finfo(dtype).max))
    a = np.clip(floats(rng, shape, dtype, reach), least, most).astype(dtype)
    b = np.clip(floats(rng, shape, dtype, reach), least, most).astype(dtype)
    with np.errstate(over="ignore", under="ignore"):
        near = np.clip(a + np.abs(a) * dtype(rng.uniform(0, 0.1)), least, most).astype(
            dtype
        )
    near = np.where(np.isfinite(near), near, a)
    step = np.nextafter(a, dtype(min(most, reach)), dtype=dtype)
    kind = rng.choice(4, shape, p=[0.3, 0.25, 0.3, 0.15])
    other = np.choose(kind, [b, a, near, step])
    return np.minimum(a, other), np.maximum(a, other)


def integers(rng, shape, least=-6, most=6):
    a, b = rng.integers(least, most + 1, (2, *shape))
    b = np.where(rng.random(shape) < 0.4, a, b)
    return np.minimum(a, b).astype(np.int32), np.maximum(a, b).astype(np.int32)


def booleans(rng, shape):
    a, b = rng.random((2, *shape)) < 0.5
    return a & b, a | b


def points(rng, lo, hi):
    """Exact numbers in the box, an object array: corners, midpoints, random floats."""
    if lo.dtype == bool or np.issubdtype(lo.dtype, np.integer):
        return fractions(np.where(rng.random(lo.shape) < 0.5, lo, hi))
    share = rng.random(lo.shape)
    with np.errstate(all="ignore"):
        inside = lo + (hi - lo) * share.astype(lo.dtype)
    inside = np.clip(np.where(np.isfinite(inside), inside, lo), lo, hi)
    kind = rng.choice(4, lo.shape)
    low, high = fractions(lo), fractions(hi)
    return np.choose(
        kind, [low, high, (low + high) * Fraction(1, 2), fractions(inside)]
    )
