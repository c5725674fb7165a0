"""`Verdict`: the answer of `tl.verify`. How it is found is in `_verify`."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import ROUND_CEILING, ROUND_FLOOR, Context, Decimal
from fractions import Fraction
from typing import Any

from torchlean_jax.spec import Spec

_MEANING = {
    "proved": "holds at every point of the input set",
    "refuted": "fails at the counterexample",
    "unknown": "is neither proved nor refuted",
}
_NUMBERS = {
    "real": "over the real numbers",
    "fp32": "in every floating-point execution",
}


def at_least(bound: float) -> str:
    """A lower bound in six digits that are themselves a lower bound.

    >>> at_least(0.49999999999), at_most(0.49999999999)
    ('0.499999', '0.5')
    """
    return _rounded(bound, ROUND_FLOOR)


def at_most(bound: float) -> str:
    """An upper bound in six digits; mirrors `at_least`."""
    return _rounded(bound, ROUND_CEILING)


def percent(share: Fraction) -> str:
    """A share in percent, rounded down: 100% is all of it.

    >>> percent(Fraction(1)), percent(Fraction(999999999, 1000000000))
    ('100%', '99.9999%')
    """
    return f"{math.floor(share * 10**6) / 10**4:g}%"


def _rounded(bound, direction):
    context = Context(prec=6, rounding=direction)
    # + 0.0 turns -0.0, a tie, into 0
    return f"{context.plus(Decimal(bound + 0.0)).normalize(context):g}"


@dataclass(frozen=True, kw_only=True, eq=False)
class Verdict:
    """Whether a spec holds on a whole input set, with the evidence.

    status: "proved" (it holds at every point), "refuted" (it fails at
        `counterexample`) or "unknown" (neither could be shown; `tried` says what was
        tried and how close it got).
    vacuous: proved because no input satisfies the constraints; the margin is infinite.
    margin: proved or unknown: a lower bound of the spec's robustness on the whole set,
        which is the least over conjunctions and the greatest over disjunctions of the
        values of the rows; the spec holds where it is positive. Refuted: an upper bound
        of it at the counterexample, zero (a tie) or negative.
    counterexample: the input, in the structure and dtype of what was given, each set
        replaced by one of its points; None unless refuted.
    certificate: evidence for "proved" that an independent checker can replay, or None,
        and then `why_no_certificate` says why.
    semantics: the number system that the verdict speaks of; "real": real arithmetic on
        the exact values of parameters and inputs; "fp32": every floating-point
        execution.
    assumptions: what the verdict rests on beside the arithmetic.
    confirmed: refuted only. "real": how the violation was confirmed over the reals.
        "runtime": what the compiled model returned there, which rounding can change.
        With "fp32", "execution": which run returned it.
    parts: how many parts of the set were bounded.
    proved_share: which share of the set is proved, exactly, in volume over the elements
        that are not points; None where no search by parts was asked for, or refuted.
    seconds: wall time of the call, compilation included.

    A verdict is neither true nor false: `if verdict:` is an error, ask for `status`.
    """

    status: str
    margin: float
    spec: Spec
    semantics: str
    method: str
    tried: str
    seconds: float
    counterexample: Any = None
    certificate: Any = None
    why_no_certificate: str | None = None
    assumptions: tuple[str, ...] = ()
    confirmed: Mapping[str, str] = field(default_factory=dict)
    vacuous: bool = False
    parts: int = 1
    proved_share: Fraction | None = None

    def __bool__(self) -> bool:
        raise TypeError(
            'a verdict has three values; write `verdict.status == "proved"` '
            '(or "refuted", "unknown")'
        )

    def __str__(self) -> str:
        numbers = _NUMBERS[self.semantics]
        if self.semantics == "fp32" and self.status == "refuted":
            numbers = "in one floating-point execution"
        parts = [f"{self.status}: {numbers}, {self.spec!r} {_MEANING[self.status]}."]
        if self.vacuous:
            parts.append("Vacuously: no input of the set satisfies the constraints.")
        elif self.status == "refuted":
            how = self.confirmed.get("real") or self.confirmed["execution"]
            parts.append(f"The margin there is at most {at_most(self.margin)} ({how}).")
            if "runtime" in self.confirmed:
                parts.append(f"The runtime: {self.confirmed['runtime']}.")
        else:
            parts.append(f"The margin on the set is at least {at_least(self.margin)}.")
            if self.status == "unknown" and self.proved_share is not None:
                parts.append(f"Proved of the set: {percent(self.proved_share)}.")
        parts.append(f"Tried: {self.tried}.")
        if self.status == "proved":
            kept = self.certificate is not None
            why = self.why_no_certificate or "not asked for"
            parts.append("With certificate." if kept else f"No certificate: {why}.")
        if self.assumptions:
            parts.append(f"Assumed: {'; '.join(self.assumptions)}.")
        return " ".join([*parts, f"{self.seconds:.2f} s."])
