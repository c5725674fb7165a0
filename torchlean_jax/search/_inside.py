"""Whether a point lies in the input sets, and the nearest one that does: exactly.

A point of floats is a point of rationals, so membership in a box, a ball or a halfspace
is decided in rational arithmetic. `brought_inside` moves what rounding left a little
outside; it may fail, and nothing but `is_inside` decides.
"""

import math
from fractions import Fraction

import numpy as np

from torchlean_jax._halfspaces import Halfspaces
from torchlean_jax._problem import is_set
from torchlean_jax.domains.affine._ball import Ball
from torchlean_jax.domains.interval import Interval

_SWEEPS = 4
_COARSE_BITS = 12  # of a box's width: leaves room in a float to solve for a coordinate


def is_inside(leaves: list, point: list, where: Halfspaces | None = None) -> bool:
    """Whether `point` has the fixed arguments of `leaves`, lies in its sets, and
    satisfies the constraints `where`."""
    if not all(map(_is_inside, leaves, point)):
        return False
    if where is None:
        return True
    flat = _exact(_set_values(leaves, point))
    return all(_excess(row, d, flat) >= 0 for row, d in _rows(where))


def _is_inside(leaf, x):
    if not is_set(leaf):
        return leaf is x
    x = np.asarray(x)
    same = x.dtype == leaf.dtype and x.shape == leaf.shape
    if isinstance(leaf, Ball):
        return same and bool(np.isfinite(x).all()) and _is_in_ball(leaf, x)
    lo, hi = np.asarray(leaf.lo), np.asarray(leaf.hi)
    return same and bool(((lo <= x) & (x <= hi)).all())  # false at a NaN


def _is_in_ball(ball, x):
    pairs = zip(_exact(x), _exact(ball.center), strict=True)
    (radius,) = _exact(ball.radius)
    distances = [a - c for a, c in pairs if a != c]
    if ball.norm == 1:
        return sum(map(abs, distances)) <= radius
    return sum(d * d for d in distances) <= radius * radius


def brought_inside(leaves: list, point: list, where: Halfspaces | None) -> list:
    """`point` with each of its inputs moved into its set, and onto `where` if that can
    be done by moving a few coordinates."""
    point = [_into(leaf, x) for leaf, x in zip(leaves, point, strict=True)]
    if where is None or is_inside(leaves, point, where):
        return point
    for start in (point, _coarse(leaves, point)):
        moved = _onto(where, leaves, start)
        if is_inside(leaves, moved, where):
            return moved
    return point


def _into(leaf, x):
    if isinstance(leaf, Interval):
        return _into_box(x, leaf.lo, leaf.hi)
    return _into_ball(x, leaf) if isinstance(leaf, Ball) else x


def _into_box(x, lo, hi):
    """Clipped by comparisons that, unlike XLA's, tell a subnormal from zero."""
    lo, hi = np.asarray(lo), np.asarray(hi)
    x = np.where(np.isnan(x), lo, x)
    return np.where(x < lo, lo, np.where(x > hi, hi, x))


def _into_ball(x, ball):
    """Shrunk towards the centre until the floats themselves are inside."""
    center = np.asarray(ball.center)
    if not np.isfinite(x).all() or x.shape != center.shape:
        return center
    reach = np.asarray(x, np.float64) - np.asarray(center, np.float64)
    with np.errstate(all="ignore"):
        size = np.linalg.norm(reach.ravel(), ball.norm)
        fit = min(1.0, float(ball.radius) / size) if size > 0 else 1.0
    for bits in range(24, -1, -1):
        share = 1 - 2.0**-bits if bits < 24 else 1.0
        moved = (center.astype(np.float64) + reach * (fit * share)).astype(x.dtype)
        if _is_in_ball(ball, moved):
            return moved
    return center


def _coarse(leaves, point):
    """Boxes' points on a grid so coarse that a float has bits to spare."""

    def rounded(leaf, x):
        if not isinstance(leaf, Interval):
            return x
        lo, hi = np.asarray(leaf.lo, np.float64), np.asarray(leaf.hi, np.float64)
        width = float(np.max(hi - lo, initial=0))
        if not 0 < width < math.inf:
            return x
        unit = 2.0 ** (math.frexp(width)[1] - _COARSE_BITS)
        grid = (np.round(np.asarray(x, np.float64) / unit) * unit).astype(x.dtype)
        return _into_box(grid, leaf.lo, leaf.hi)

    return [rounded(leaf, x) for leaf, x in zip(leaves, point, strict=True)]


def _onto(where, leaves, point):
    """Satisfy one violated constraint after the other, each by the coordinate that has
    the farthest to go for it, rounded to the side that satisfies it."""
    shapes = [(leaf.dtype, leaf.shape) for leaf in leaves if is_set(leaf)]
    values = [np.ravel(x) for x in _set_values_apart(leaves, point)]
    kinds = [d for (d, _), v in zip(shapes, values, strict=True) for _ in v]
    flat, ends = _exact(values), _ends(leaves)
    for _ in range(_SWEEPS):
        for row, d in _rows(where):
            missing = -_excess(row, d, flat)
            if missing <= 0 or not row:
                continue
            j = max(row, key=lambda j: _room(row[j], flat[j], ends[j]))
            flat[j] = _rounded(flat[j] + missing / row[j], kinds[j], row[j] > 0)
            lo, hi = ends[j]
            flat[j] = min(max(flat[j], lo), hi)
    moved, at = [], 0
    for dtype, shape in shapes:
        size = math.prod(shape)
        part = [float(v) for v in flat[at : at + size]]
        moved.append(np.asarray(part, dtype).reshape(shape))
        at += size
    parts = iter(moved)
    return [next(parts) if is_set(leaf) else leaf for leaf in leaves]


def _room(weight, x, ends):
    """How much a row can gain from one coordinate; a ball's is judged afterwards."""
    lo, hi = ends
    return weight * (hi - x) if weight > 0 else weight * (lo - x)


def _rounded(value, dtype, up):
    """The number of `dtype` nearest to `value` that is not below (above) it."""
    end = np.asarray(math.inf if up else -math.inf, dtype)
    with np.errstate(over="ignore"):
        near = np.asarray(float(value), dtype)
        while np.isfinite(near):
            exact = Fraction(float(near))
            if exact >= value if up else exact <= value:
                return exact
            near = np.nextafter(near, end)
    return value  # beyond every number of the dtype, hence of the box


def _ends(leaves):
    """(lo, hi) of each coordinate of the sets, balls by the box around them."""
    ends = []
    for leaf in leaves:
        if isinstance(leaf, Interval):
            ends += zip(_exact(leaf.lo), _exact(leaf.hi), strict=True)
        elif isinstance(leaf, Ball):
            (r,) = _exact(leaf.radius)
            ends += [(c - r, c + r) for c in _exact(leaf.center)]
    return ends


def _set_values_apart(leaves, point):
    return [x for leaf, x in zip(leaves, point, strict=True) if is_set(leaf)]


def _set_values(leaves, point):
    return [np.ravel(x) for x in _set_values_apart(leaves, point)]


def _exact(arrays):
    """The elements of an array, or of several, as fractions."""
    arrays = arrays if isinstance(arrays, list) else [arrays]
    return [
        Fraction(v) for a in arrays for v in np.asarray(a, np.float64).ravel().tolist()
    ]


def _rows(where):
    """The constraints: ({place: weight} without zeros, bound)."""
    for row, d in zip(where.A, where.b, strict=True):
        used = np.flatnonzero(row).tolist()
        yield {j: Fraction(float(row[j])) for j in used}, Fraction(float(d))


def _excess(row, d, flat):
    return sum((w * flat[j] for j, w in row.items()), -d)
