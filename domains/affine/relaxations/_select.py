"""A choice that is undecided: the result is one of the cases, so between their min and
max."""

import jax.numpy as jnp

from torchlean_jax.domains.affine._lines import Lines, relaxations
from torchlean_jax.domains.affine.relaxations._max import max_lines, min_lines
from torchlean_jax.domains.interval import Interval


@relaxations.define_op("select_n")
def _select_n(operation, which, *cases, slope=None):
    """Lines of the chosen case where the choice is certain, of min and max
    elsewhere."""
    if not isinstance(which, Interval):
        which = Interval(which, which)
    chosen = (which.hi.astype(jnp.int32) == 0, which.lo.astype(jnp.int32) == 1)
    abstract = [isinstance(case, Interval) for case in cases]
    if len(cases) != 2 or not any(abstract):
        return _constants([Interval.lift(case) for case in cases], abstract)
    low, high = min_lines(*cases), max_lines(*cases)
    below = _pick(chosen, cases, low.lower, low.lower_offset, "lo")
    above = _pick(chosen, cases, high.upper, high.upper_offset, "hi")
    return Lines((None, *below[0]), below[1], (None, *above[0]), above[1])


def _pick(chosen, cases, slopes, offset, end):
    """Slope 1 on the case that is certainly chosen; the given line where none is."""
    either = chosen[0] | chosen[1]
    picked = []
    for mine, case, slope in zip(chosen, cases, slopes, strict=True):
        if isinstance(case, Interval):
            picked.append(jnp.where(either, mine.astype(offset.dtype), slope))
            value = 0
        else:
            picked.append(None)
            value = getattr(Interval.lift(case), end)
        offset = jnp.where(mine, value, offset)
    return picked, offset


def _constants(cases, abstract):
    """The hull of all cases."""
    lo = jnp.stack([case.lo for case in cases]).min(axis=0)
    hi = jnp.stack([case.hi for case in cases]).max(axis=0)
    slopes = tuple(jnp.zeros_like(lo) if flag else None for flag in abstract)
    return Lines((None, *slopes), lo, (None, *slopes), hi)
