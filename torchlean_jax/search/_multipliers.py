"""Good multipliers of the constraints among the inputs, and proof that none satisfies
them.

For a linear form a . x + c on the input sets, with constraints A x >= b, every l >= 0
gives the lower bound  g(l) = c + l . b + min (a - l A) . x.  It is concave in l, and
each minimiser x shows a plane above it. The cutting planes of Kelley (1960) climb it: a
linear program finds the highest point under all planes so far. Numbers here are
rounded as NumPy does; `_multiplied` makes a bound of them, and `contradiction` decides
in fractions.
"""

import math
from fractions import Fraction

import numpy as np

from torchlean_jax._halfspaces import Halfspaces
from torchlean_jax.domains.affine._ball import Ball

_PLANES = 100
_CLOSE = 1e-10
_STEEPEST = 2.0**30  # times the form itself, in units of constraints of length 1


def multipliers(forms: list, constants, regions: list, where: Halfspaces):
    """float64[R, m]: for each row the multipliers whose bound is best.

    forms: [R, *shape] for each of `regions`; constants: [R].
    """
    flat = np.concatenate([np.reshape(f, (len(constants), -1)) for f in forms], 1)
    unit = _lengths(where)
    rows, bounds = where.A / unit[:, None], where.b / unit
    found = [
        _climb(form, float(c), regions, rows, bounds)[0] / unit
        if np.isfinite(form).all() and np.isfinite(c)
        else np.zeros(len(unit))
        for form, c in zip(flat, constants, strict=True)
    ]
    return np.maximum(np.asarray(found), 0)


def contradiction(regions: list, where: Halfspaces):
    """(float64[m] l, g) with g(l) >= g > 0 for the form 0, exactly; None if none is
    found.

    Then no input satisfies the constraints: l (A x - b) >= 0 there, but below 0
    everywhere.
    """
    unit = _lengths(where)
    rows, bounds = where.A / unit[:, None], where.b / unit
    nothing = np.zeros(where.A.shape[1])
    best, value = _climb(nothing, 0.0, regions, rows, bounds, at_most=1.0)
    if not value > 0:
        return None
    best = np.maximum(best / unit, 0)
    exact = _exact_bound(best, regions, where)
    # the gain as a float says how often to repeat it; a vanishing one must not be 0
    return (best, max(float(exact), math.ulp(0.0))) if exact > 0 else None


def enough(empty, forms: list, constants, regions: list):
    """float64[R, m]: a contradiction, so often that the bound of each row exceeds 1."""
    weights, gain = empty
    flat = np.concatenate([np.reshape(f, (len(constants), -1)) for f in forms], 1)
    least = [
        c + form @ _minimiser(form, regions)
        for form, c in zip(flat, constants, strict=True)
    ]
    missing = max([1.0, *(2 - v for v in least if math.isfinite(v))])
    times = 2.0 ** min(math.ceil(math.log2(missing) - math.log2(gain)), 1000)
    return np.tile(weights * times, (len(flat), 1))


def _lengths(where):
    size = np.linalg.norm(where.A, axis=1)
    return np.where((size > 0) & np.isfinite(size), size, 1)


def _climb(form, constant, regions, rows, bounds, at_most=None):
    """(the best multipliers met, their value). at_most: of the sum of multipliers."""
    slopes, levels = [], []
    here = best = np.zeros(len(bounds))
    highest = -math.inf
    for _ in range(_PLANES):
        x = _minimiser(form - here @ rows, regions)
        slope, level = bounds - rows @ x, constant + form @ x
        value = level + here @ slope
        if value > highest:
            best, highest = here, value
        slopes.append(slope)
        levels.append(level)
        found = _highest(np.array(slopes), np.array(levels), form, at_most)
        if found is None or found[1] - highest <= _CLOSE * (1 + abs(highest)):
            break
        here = found[0]
    return best, highest


def _highest(slopes, levels, form, at_most):
    """(l, t): the greatest t below all planes  levels + slopes . l; None at failure."""
    from scipy.optimize import linprog

    many = slopes.shape[1]
    steepest = _STEEPEST * max(1.0, float(np.abs(form).max(initial=0)))
    result = linprog(
        np.append(np.zeros(many), -1),
        A_ub=np.hstack([-slopes, np.ones((len(levels), 1))]),
        b_ub=levels,
        A_eq=None if at_most is None else np.append(np.ones(many), 0)[None],
        b_eq=None if at_most is None else [at_most],
        bounds=[(0, steepest)] * many + [(None, None)],
    )
    if result.x is None:
        return None
    return np.maximum(result.x[:-1], 0), result.x[-1]


def _minimiser(form, regions):
    """A point of the sets at which `form` is least."""
    parts, at = [], 0
    for region in regions:
        size = math.prod(region.shape)
        a = form[at : at + size]
        at += size
        if not isinstance(region, Ball):
            lo, hi = (np.asarray(e, np.float64).ravel() for e in (region.lo, region.hi))
            parts.append(np.where(a > 0, lo, hi))
            continue
        step = np.zeros(size)
        if region.norm == 1 and size:
            j = np.argmax(np.abs(a))
            step[j] = np.sign(a[j])
        elif a.any():
            step = a / np.linalg.norm(a)
        center = np.asarray(region.center, np.float64).ravel()
        parts.append(center - float(region.radius) * step)
    return np.concatenate(parts)


def _exact_bound(weights, regions, where) -> Fraction:
    """At most l . b + min (-l A) . x, in fractions."""
    weights = [Fraction(w) for w in weights.tolist()]
    pairs = zip(weights, where.b.tolist(), strict=True)
    total = sum((w * Fraction(b) for w, b in pairs), Fraction(0))
    columns = iter(where.A.T.tolist())
    for region in regions:
        form = [
            -sum(w * Fraction(v) for w, v in zip(weights, next(columns), strict=True))
            for _ in range(math.prod(region.shape))
        ]
        total += _exact_minimum(form, region)
    return total


def _exact_minimum(form, region):
    def exact(array):
        return [Fraction(v) for v in np.asarray(array, np.float64).ravel().tolist()]

    if not isinstance(region, Ball):
        ends = zip(form, exact(region.lo), exact(region.hi), strict=True)
        return sum(min(a * lo, a * hi) for a, lo, hi in ends)
    centre = sum(a * c for a, c in zip(form, exact(region.center), strict=True))
    (radius,) = exact(region.radius)
    if region.norm == 1:
        return centre - radius * max(map(abs, form), default=0)
    return centre - radius * _root_above(sum((a * a for a in form), Fraction(0)))


def _root_above(square: Fraction) -> Fraction:
    """At least the square root, to 64 bits or so."""
    shift = max(0, 64 + square.denominator.bit_length() - square.numerator.bit_length())
    scale = 1 << (shift + 64)
    whole = -(-square.numerator * scale * scale // square.denominator)
    return Fraction(math.isqrt(whole) + 1, scale)
