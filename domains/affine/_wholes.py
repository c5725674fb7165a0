"""Interval rules of functions that a graph holds only after its patterns were
recognised.

leaky_relu and elu are increasing. Softmax and logsumexp do not change when a constant
is added to all their arguments, so they are bounded through differences of arguments:
softmax(x)_i = 1 / sum_j exp(x_j - x_i), where the term j = i is 1 whatever x_i is. A
"gap" is such a difference; they are values of the graph where there are few of them.
"""

import jax.numpy as jnp
import numpy as np
from jax import lax

from torchlean_jax.domains.affine import _points as p
from torchlean_jax.domains.affine._lines import undecided
from torchlean_jax.domains.interval import Interval
from torchlean_jax.domains.interval._arithmetic import div, known, magnitude
from torchlean_jax.domains.interval._contraction import gamma
from torchlean_jax.domains.interval._kinds import rule_for
from torchlean_jax.domains.interval._rounding import round_down, round_up


def leaky_at(x, c: float) -> Interval:
    """max(x, c x) at points, for c < 1."""
    steep = p.scaled(p.at(x), c)
    return Interval(jnp.where(x >= 0, x, steep.lo), jnp.where(x >= 0, x, steep.hi))


@rule_for("float", "call:leaky_relu")
def _leaky_relu(x, *, negative_slope):
    return known(leaky_at(x.lo, negative_slope).lo, leaky_at(x.hi, negative_slope).hi)


def elu_at(x, alpha: float, scale: float) -> Interval:
    """x where x >= 0, alpha expm1(x / scale) elsewhere, at points."""
    z = p.div(p.at(jnp.minimum(x, 0)), p.constant(scale, x))
    left = p.scaled(p.expm1(z), alpha)
    return Interval(jnp.where(x >= 0, x, left.lo), jnp.where(x >= 0, x, left.hi))


@rule_for("float", "call:elu")
def _elu(x, *, alpha, scale):
    return known(elu_at(x.lo, alpha, scale).lo, elu_at(x.hi, alpha, scale).hi)


@rule_for("float", "call:rounded_shift")
def rounded_shift(x, unit):
    """x is whole and `unit` a power of two: nothing rounds but the rounding itself, and
    what widened the enclosure of x is taken back first."""
    lo, hi = jnp.ceil(x.lo), jnp.floor(x.hi)
    to_even = lax.RoundingMethod.TO_NEAREST_EVEN
    return known(lax.round(lo * unit.lo, to_even), lax.round(hi * unit.lo, to_even))


@rule_for("float", "call:quotient")
def _quotient(x, y):
    """Cut towards 0, an increasing function of the quotient."""
    result = div(x, y)
    return Interval(jnp.trunc(result.lo), jnp.trunc(result.hi))


def places(x: Interval, entries) -> tuple:
    """The first and the last entry that a whole number in `x` may read, as int32."""
    last = len(entries) - 1
    lo, hi = jnp.where(jnp.isnan(x.lo), 0, x.lo), jnp.where(jnp.isnan(x.hi), last, x.hi)
    ends = jnp.ceil(jnp.clip(lo, 0, last)), jnp.floor(jnp.clip(hi, 0, last))
    return ends[0].astype(jnp.int32), ends[1].astype(jnp.int32)


@rule_for("float", "call:table")
def table(x, *, entries):
    """The least and the largest of the entries from the first to the last: of two runs
    of 2**k, one from the first, one up to the last."""
    first, last = places(x, entries)
    sizes = np.arange(len(entries) + 1)
    power = jnp.asarray(np.log2(np.maximum(sizes, 1)).astype(int))[last - first + 1]
    second = last + 1 - 2**power

    def over(choose):
        runs = jnp.asarray(_runs(entries, choose), x.dtype)
        return runs[power, first], runs[power, second]

    return known(jnp.minimum(*over(np.minimum)), jnp.maximum(*over(np.maximum)))


def _runs(entries, choose):
    """The extreme of the 2**k entries from each place on at [k, place]."""
    rows, n = [np.asarray(entries)], len(entries)
    while 2 * (step := 2 ** (len(rows) - 1)) <= n:
        row = rows[-1].copy()
        row[:-step] = choose(row[:-step], row[step:])
        rows.append(row)
    return np.stack(rows)


def total(x: Interval) -> Interval:
    """The sum along the last axis.

    Written as one product with ones: what a compiler cannot fuse it does not compute
    twice. In any order n terms lose at most gamma_n times the sum of magnitudes.
    """
    n, kind = x.shape[-1], jnp.finfo(x.dtype)
    parts = jnp.stack([x.lo, x.hi, magnitude(x)])
    lo, hi, size = jnp.dot(parts, jnp.ones(n, x.dtype), precision=lax.Precision.HIGHEST)
    error = round_up(
        size * (2 * gamma(n, x.dtype)) + 2 * n * float(kind.smallest_normal)
    )
    return Interval(round_down(lo - error), round_up(hi + error))


def differences(x: Interval) -> Interval:
    """x_j - x_i at [..., i, j]; exactly 0 for j = i."""
    lo = round_down(x.lo[..., None, :] - x.hi[..., :, None])
    hi = round_up(x.hi[..., None, :] - x.lo[..., :, None])
    same = jnp.eye(x.shape[-1], dtype=bool)
    return Interval(jnp.where(same, 0, lo), jnp.where(same, 0, hi))


def antisymmetric(gap: Interval) -> Interval:
    """Enclosures of x_j - x_i at [..., i, j] by what is known of x_i - x_j as well."""
    turned = Interval(-jnp.swapaxes(gap.hi, -1, -2), -jnp.swapaxes(gap.lo, -1, -2))
    lo, hi = jnp.maximum(gap.lo, turned.lo), jnp.minimum(gap.hi, turned.hi)
    same = jnp.eye(gap.shape[-1], dtype=bool)
    return Interval(jnp.where(same, 0, lo), jnp.where(same, 0, hi))


def _finite_rows(x, keepdims):
    low, high = (jnp.isfinite(e).all(-1, keepdims=keepdims) for e in (x.lo, x.hi))
    return low & high


def _shares(gap, finite) -> Interval:
    """1 / sum_j exp(gap_j) along the last axis; nothing known where not `finite`."""
    share = p.inverse(total(p.exp(gap)))
    # The sum overflows where an argument is masked by a large number: it is at least
    # its largest term, so that the share is next to 0 and not just below 1.
    most = p.exp(p.at(-jnp.max(gap.lo, axis=-1))).hi
    lo = jnp.clip(jnp.where(jnp.isnan(share.lo), 0, share.lo), 0, 1)
    hi = jnp.clip(jnp.fmin(share.hi, most), 0, 1)
    return Interval(jnp.where(finite, lo, jnp.nan), jnp.where(finite, hi, jnp.nan))


@rule_for("float", "call:softmax_of_gaps")
def _softmax_of_gaps(gap, *, axis):
    finite = _finite_rows(gap, keepdims=False)
    return _shares(antisymmetric(gap), finite)


@undecided.define_op("call:softmax_of_gaps")
def _one_of_each_pair(operation, gap):
    """x_j - x_i is known when x_i - x_j is."""
    first = jnp.triu(jnp.ones(gap.shape[-2:], bool), 1)
    return first & (gap.lo < gap.hi)


@rule_for("float", "call:softmax")
def _softmax(x, *, axis):
    x = Interval(jnp.moveaxis(x.lo, axis, -1), jnp.moveaxis(x.hi, axis, -1))
    result = _shares(differences(x), _finite_rows(x, keepdims=True))
    return Interval(
        jnp.moveaxis(result.lo, -1, axis), jnp.moveaxis(result.hi, -1, axis)
    )


@rule_for("float", "call:logsumexp")
def _logsumexp(x, *, axis):
    """Increasing in every argument."""
    ends = jnp.stack([jnp.moveaxis(e, axis, -1) for e in (x.lo, x.hi)])
    most = jnp.max(ends, axis=-1, keepdims=True)
    same = ends == most
    below = Interval(
        jnp.where(same, 0, round_down(ends - most)),
        jnp.where(same, 0, round_up(ends - most)),
    )
    value = p.add(p.at(most[..., 0]), p.log(total(p.exp(below))))
    return known(value.lo[0], value.hi[1])
