"""Where a box can be cut so that linear forms prove one side of the cut.

If a row of a property is at least `least` on a box, by a linear form with coefficient
a > 0 at x_j, it is at least `least + a (t - lo_j)` where x_j >= t. So a counterexample
has to lie where x_j < t for some t that makes this positive: what is beyond needs no
bounds of its own, and the box that is left has tighter ones.

Source: the relaxed clipping of Clip-and-Verify (Zhou et al. 2025, arXiv:2512.11087).
"""

import numpy as np

from torchlean_jax.search._frontier import Rows
from torchlean_jax.spec import combine

_WORTH = 1 / 4  # of a width: each cut is one more leaf of the proof
# Of what is missing to 0, to be reached beyond it: bounds of the side alone, which the
# checker derives, may have other slopes.
_SPARE = 1 / 8
_TINY = float(np.finfo(np.float64).smallest_normal)


def ends(shape: tuple, rows: Rows, extra: Rows, axis: int, open_side: int):
    """(which boxes are worth cutting, where, lower bounds of the robustness beyond).

    shape: of the formula. extra: forms [n, R, D], and least [n, R], what each is at
    least on its box. open_side: 1 if the lower side is the proved one.
    """
    lo, hi = rows["lo"][:, axis], rows["hi"][:, axis]
    slope = extra["forms"][:, :, axis] * (-1 if open_side else 1)
    least = extra["least"]
    with np.errstate(all="ignore"):
        far = np.where(least > 0, 0, -(1 + _SPARE) * least / slope)
        far = np.where((slope > 0) | (least > 0), far, np.inf)
        width = hi - lo
        # every row of a conjunction has to get there, one of a disjunction is enough
        far = combine(shape, far.T, _greatest, _least)
        at = hi - far if open_side else lo + far
        at = np.where(np.abs(at) < _TINY, 0.0, at)  # XLA would read a subnormal as 0
        worth = (far <= (1 - _WORTH) * width) & (lo < at) & (at < hi)
        which = np.flatnonzero(worth)
        at, slope, least = at[which], slope[which], least[which]
        gone = (hi[which] - at) if open_side else (at - lo[which])
        gone = np.nextafter(gone, -np.inf)[:, None]
        gained = np.nextafter(np.maximum(slope, 0) * gone, -np.inf)
        beyond = np.nextafter(least + np.maximum(gained, 0), -np.inf)
    beyond = np.where(np.isnan(beyond), -np.inf, beyond)
    margin = combine(shape, beyond.T, _least, _greatest)
    proved = margin > 0
    return which[proved], at[proved], margin[proved]


def _least(parts):
    return np.min(np.stack(list(parts)), axis=0)


def _greatest(parts):
    return np.max(np.stack(list(parts)), axis=0)
