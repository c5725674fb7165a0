"""What is claimed where a function has a kink: one of the derivatives close by?

Clarke's subdifferential at x is the convex hull of all limits of derivatives at points
that tend to x, so along a direction it is an interval that contains each quotient
measured close by. Those found (on both sides, and in the pieces around x that chance
picks) span a part of it: a claim inside that part is a member. If all of them are one
number, the function is taken for differentiable, and any other claim is wrong.
Otherwise a claim outside is left undecided, as there may be pieces that nobody found.
"""

from dataclasses import replace

import numpy as np

from torchlean_jax.domains._errors import UndecidedError
from torchlean_jax.domains.real._flint import flint
from torchlean_jax.interpreters._segment import Comparison, Segment, has_no_number

_PIECES = 8


def at_kink(segment: Segment, kink: Comparison) -> Comparison:
    """The comparison at the point itself, where the segment decided nothing."""
    found = replace(kink, verdict="undecided", claimed=None, claims=(), gap=np.inf)
    quotients = [q for q in (kink.above, kink.below) if q is not None]
    if _unbounded(quotients, segment.n):
        return replace(found, verdict="none")
    try:
        _, claims = segment.claimed(segment.point, kink.covector)
    except UndecidedError as error:
        return replace(found, error=kink.error or error)
    total, _ = segment.contracted(claims, kink.covector)
    found = replace(found, claimed=total, claims=claims)
    if any(map(has_no_number, claims)):
        return replace(found, verdict="nan") if quotients else found
    quotients += list(_close_by(segment, kink.covector))
    if not quotients or not total.is_finite():
        return found
    return replace(found, verdict=_membership(segment, total, quotients))


def _membership(segment, total, quotients) -> str:
    middles = [q.mid() for q in quotients]
    low, high = min(middles), max(middles)
    size = max(abs(low), abs(high), abs(total.mid()))
    # pieces are 2**(-n/2) away, where derivatives differ by a multiple of that
    slack = size * flint().arb(2) ** (-segment.n // 4)
    one = bool(high - low <= slack)
    if total >= low - slack and total <= high + slack:
        return "agrees" if one else "tie"
    return "differs" if one else "beside"


def _unbounded(quotients, n) -> bool:
    """A jump, or an infinite slope: a Lipschitz function has smaller quotients."""
    return any(abs(q) > flint().arb(2) ** (n // 4) for q in quotients)


def _close_by(segment, covector):
    """Quotients along the direction, in pieces that random points are in."""
    rng = np.random.default_rng(0)
    for _ in range(_PIECES):
        away = [
            rng.integers(-(2**21), 2**21, x.shape) * 2.0**-21 * _finite_ones(x)
            for x in segment.point
        ]
        base = segment.moved(segment.point, away, 1, segment.n // 2)
        try:
            ends = [segment.value(t, base) for t in (0, 1)]
        except UndecidedError:
            continue
        quotient = segment.quotient(*ends, covector)
        if quotient is not None and not _unbounded([quotient], segment.n):
            yield quotient


def _finite_ones(x):
    return np.array([b.is_finite() for b in x.balls.flat], float).reshape(x.shape)


def share(found: Comparison) -> float | None:
    """Where the claim stands between the derivative from below (0) and above (1)."""
    ends = found.below, found.above, found.claimed
    if any(q is None or not q.is_finite() for q in ends):
        return None
    low, high, claim = (q.mid() for q in ends)
    if low == high:
        return None
    return round(float((claim - low) / (high - low)), 6)
