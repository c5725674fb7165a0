"""Sets m + C x + Q r of points, for x and r in boxes, and their images by affine maps.

x ranges over the first box of a trajectory, C maps it, and r collects errors in nearly
orthogonal coordinates Q. Who moves them, and why, is in `_trajectory`.

Source: Lohner 1992; Mrozek and Zgliczynski 2000 (the doubletons of a set).
"""

import jax.numpy as jnp

from torchlean_jax._interpret import interpret
from torchlean_jax.domains.interval import Interval
from torchlean_jax.domains.interval._contraction import midpoint_radius
from torchlean_jax.domains.interval._rounding import round_down, round_up

_add = interpret(lambda a, b: a + b, domain=Interval)
_less = interpret(lambda a, b: a - b, domain=Interval)
_matmul = interpret(jnp.matmul, domain=Interval)


def begin(box: Interval):
    """m, C, x, Q, r: the first box is m + x."""
    middle, _ = midpoint_radius(box)
    size = len(middle)
    first = Interval(round_down(box.lo - middle), round_up(box.hi - middle))
    nothing = Interval(jnp.zeros(size), jnp.zeros(size))
    return middle, jnp.eye(size), first, jnp.eye(size), nothing


def common(a: Interval, b: Interval) -> Interval:
    return Interval(jnp.maximum(a.lo, b.lo), jnp.minimum(a.hi, b.hi))


def moved(state, landed: Interval, jacobian: Interval):
    """m + C x + Q r under an affine map whose matrix is known to lie in `jacobian`."""
    _, c, first, q, r = state
    middle, _ = midpoint_radius(landed)
    extra = _less(landed, middle)
    mapped = _matmul(jacobian, c)
    c, _ = midpoint_radius(mapped)
    extra = _add(extra, _matmul(_less(mapped, c), first))
    turned = _matmul(jacobian, q)
    q = _frame(midpoint_radius(turned)[0], r)
    r = _coordinates(q, turned, r, extra)
    box = _add(_add(_matmul(c, first), _matmul(q, r)), middle)
    return (middle, c, first, q, r), box


def _frame(matrix, r: Interval):
    """Nearly orthogonal, along the longest sides of matrix r first."""
    scaled = matrix * (r.hi - r.lo + 1e-300)
    order = jnp.argsort(-(scaled**2).sum(0))
    q, _ = jnp.linalg.qr(scaled[:, order] / jnp.abs(scaled).max())
    return jnp.where(jnp.isfinite(q).all(), q, jnp.eye(len(q)))


def _coordinates(q, turned: Interval, r: Interval, extra: Interval) -> Interval:
    """A box of all s with q s = T r + e, for T, r, e in theirs.

    q^T q s = v, v = q^T T r + q^T e, so s = v + (1 - q^T q) s, and in the maximum norm
    |s| <= |v| / (1 - d) with d = |1 - q^T q|: s is within d / (1 - d) |v| of v.
    """
    v = _add(_matmul(_matmul(q.T, turned), r), _matmul(q.T, extra))
    off = _less(_matmul(q.T, Interval(q, q)), jnp.eye(len(q)))
    d = round_up(jnp.maximum(jnp.abs(off.lo), jnp.abs(off.hi)).sum(1).max() * 1.0001)
    most = jnp.maximum(jnp.abs(v.lo), jnp.abs(v.hi)).max()
    reach = jnp.where(d < 0.5, round_up(2 * d * most), jnp.nan)
    return Interval(round_down(v.lo - reach), round_up(v.hi + reach))
