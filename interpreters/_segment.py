"""A short segment of inputs: the difference quotient, and the claim on all of it.

By the mean-value theorem the quotient of a function that is differentiable on the
segment is a derivative somewhere on it. The claim is evaluated on a ball that contains
the segment, so it encloses whatever is claimed there: where the two do not meet, the
claim is not the derivative.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from torchlean_jax.domains._errors import UndecidedError
from torchlean_jax.domains.real import Real, RealArray
from torchlean_jax.domains.real._flint import flint, is_no_number
from torchlean_jax.domains.real._value import each2, float_up
from torchlean_jax.interpreters._derivative import Derivative, Pair

# A claim agrees within 2**-100 of the sum of magnitudes of its terms; a derivative
# below 2**-150 counts as zero, as it is in binary32.
_RELATIVE, _ABSOLUTE = 100, 150


@dataclass(frozen=True)
class Comparison:
    """What one pair showed.

    verdict: "agrees"; "differs"; "value" (the claim returns other outputs than the
    function); "nan" (it is no number); at a kink "tie" (one of the derivatives close by
    or between them) or "beside" (none that was found); "none" (no derivative exists);
    "undefined" (the function has no value); "undecided".

    claimed, above, below: balls: the claim, and the quotients on both sides. gap: an
    upper bound on the relative difference. claims: what the claim returned, balls of
    the segment. error: what was undecided there.
    """

    verdict: str
    claimed: Any = None
    above: Any = None
    below: Any = None
    gap: float = np.inf
    claims: Sequence[Any] = ()
    covector: Sequence[np.ndarray] = ()
    error: UndecidedError | None = field(default=None, repr=False)

    @property
    def truth(self) -> Any:
        return self.below if self.above is None else self.above

    @property
    def digits(self) -> int:
        """To how many decimal digits the claim meets the quotient."""
        return 0 if self.gap >= 1 else int(-np.log10(max(self.gap, 1e-99)))


@dataclass(frozen=True)
class Segment:
    """The points x + t v 2**-n for -1 <= t <= 1."""

    derivative: Derivative
    point: list
    others: list
    pair: Pair
    n: int
    domain: Any = None

    def compare(self) -> Comparison:
        """The verdict, or "kink" where the segment does not give one."""
        try:
            below, here, above = map(self.value, (-1, 0, 1))
        except UndecidedError as error:
            return Comparison("undecided", error=error)
        covector = self.defined(here)
        if not any(y.any() for y in covector):
            return Comparison("undefined")
        up = self.quotient(here, above, covector)
        down = self.quotient(below, here, covector)
        kink = Comparison("kink", above=up, below=down, covector=covector)
        try:
            outputs, claims = self.claimed(self.ball(), covector)
        except UndecidedError as error:
            return replace(kink, error=error)
        total, scale = self.contracted(claims, covector)
        if not total.is_finite() or any(map(has_no_number, claims)):
            return kink
        found = replace(kink, claimed=total, claims=claims)
        if not all(map(_overlap, outputs, here)):
            return replace(found, verdict="value")
        return self._judged(found, scale)

    def _judged(self, found: Comparison, scale) -> Comparison:
        sides = [q for q in (found.above, found.below) if q is not None]
        gap = max((float_up(abs(q - found.claimed)) for q in sides), default=np.inf)
        size = float(scale.mid())
        found = replace(found, gap=gap / size if size else (gap and np.inf))
        if gap <= max(size * 2.0**-_RELATIVE, 2.0**-_ABSOLUTE):
            return replace(found, verdict="agrees")
        if all(q.overlaps(found.claimed) for q in sides):
            return replace(found, verdict="undecided")
        one = len(sides) == 1 or self.same(*sides)
        return replace(found, verdict="differs" if one else "kink")

    def same(self, p, q) -> bool:
        """Whether two quotients differ by no more than a smooth function's would."""
        size = max(abs(p), abs(q), flint().arb(2) ** -_ABSOLUTE)
        return bool(abs(p - q) <= size * flint().arb(2) ** (-self.n // 4))

    def value(self, t, base=None) -> list:
        x = self.moved(base or self.point, self.pair.direction, t, self.n)
        return self.derivative.function(
            *x, *self.others, domain=self.domain and self.domain()
        )

    def moved(self, point, direction, t, n) -> list:
        """x + t v 2**-n; elements that are not finite stay."""
        step = flint().arb(t) * flint().arb(2) ** -n
        return [
            RealArray(each2(lambda b, w: b + step * w if w else b, x.balls, v), x.dtype)
            for x, v in zip(point, direction, strict=True)
        ]

    def ball(self) -> list:
        """For each element the ball of the segment."""
        step = flint().arb(2) ** -self.n

        def around(b, w):
            return b + flint().arb(0, step * abs(w)) if w else b

        return [
            RealArray(each2(around, x.balls, v), x.dtype)
            for x, v in zip(self.point, self.pair.direction, strict=True)
        ]

    def claimed(self, point, covector) -> tuple[list, list]:
        """(outputs, what is claimed) at a point, which may be balls."""
        results = self.derivative.claim(*point, *self.others, *self.vectors(covector))
        count = len(self.derivative.outputs)
        return results[:count], results[count:]

    def vectors(self, covector) -> list:
        """What the claim takes behind the inputs."""
        d = self.derivative
        vectors = self.pair.direction if d.forward else covector
        avals = d.inputs if d.forward else d.outputs
        return [
            RealArray(Real.lift(np.asarray(v)).balls, a.dtype)
            for v, a in zip(vectors, avals, strict=True)
        ]

    def contracted(self, claims, covector) -> tuple[Any, Any]:
        """(the number that is claimed for the pair, the sum of magnitudes)."""
        others = covector if self.derivative.forward else self.pair.direction
        terms = list(_terms(claims, others))
        zero = flint().arb(0)
        return sum(terms, zero), sum((abs(t.mid()) for t in terms), zero)

    def defined(self, outputs) -> tuple[np.ndarray, ...]:
        """The covector without outputs that are no finite numbers (masks)."""
        return tuple(
            np.where(_finite(y), w, 0.0)
            for y, w in zip(outputs, self.pair.covector, strict=True)
        )

    def quotient(self, first, last, covector) -> Any:
        """How much the outputs grow along the segment; None where they are no numbers
        or infinite at one end."""
        zero = flint().arb(0)
        end, start = (sum(_terms(x, covector), zero) for x in (last, first))
        total = (end - start) * flint().arb(2) ** self.n
        return total if total.is_finite() else None


def _terms(values, weights):
    for x, w in zip(values, weights, strict=True):
        for ball, weight in zip(x.balls.flat, np.ravel(w).tolist(), strict=True):
            if weight:
                yield ball * weight


def _finite(x: RealArray) -> np.ndarray:
    return np.array([b.is_finite() for b in x.balls.flat], bool).reshape(x.shape)


def has_no_number(x: RealArray) -> bool:
    """Whether some element is certainly no number."""
    return not x.is_finite and any(map(is_no_number, x.balls.flat))


def _overlap(x: RealArray, y: RealArray) -> bool:
    """Whether both may be one array; what is not finite counts as anything."""
    return all(
        a.overlaps(b)
        for a, b in zip(x.balls.flat, y.balls.flat, strict=True)
        if a.is_finite() and b.is_finite()
    )
