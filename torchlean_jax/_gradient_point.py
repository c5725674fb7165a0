"""How a claimed derivative stands at one point, for each input.

All inputs move at once first; only if that fails, one after the other, and the node to
blame is looked for.
"""

import contextlib
import functools
from dataclasses import dataclass, replace
from typing import Any

import jax.numpy as jnp
import numpy as np

from torchlean_jax._gradient_report import GradientFailure, told_apart, verdict_of
from torchlean_jax.domains._errors import UndecidedError
from torchlean_jax.domains.real import Real
from torchlean_jax.interpreters._autodiff import compare, narrowed
from torchlean_jax.interpreters._derivative import Derivative, Pair
from torchlean_jax.interpreters._derivative_nodes import check_nodes
from torchlean_jax.interpreters._kinks import share
from torchlean_jax.interpreters._poison import first_no_number, float_claims
from torchlean_jax.interpreters._segment import Comparison
from torchlean_jax.interpreters._stopped import Stopped


@dataclass(frozen=True)
class Question:
    """A function at given shapes: the names of its float inputs and outputs, what is
    held beside them, and how arguments are made of both."""

    name: str
    derivative: Derivative
    names: list[str]
    out_names: list[str]
    others: list
    arguments: Any


@dataclass(frozen=True)
class Result:
    """One leaf at one point: what a LeafCheck and a GradientFailure are made of.

    where: the equations to blame, one a line; entry: a wrong element, in words.
    """

    status: str
    digits: int = 0
    float_error: float | None = None
    note: str = ""
    where: str = ""
    entry: str = ""
    failure: GradientFailure | None = None


@dataclass
class AtPoint:
    """The comparison at one point."""

    question: Question
    inputs: list[np.ndarray]
    rng: Any

    def __post_init__(self):
        self.derivative = self.question.derivative
        self.others = self.question.others
        self.point = [Real.lift(x) for x in self.inputs]

    def leaves(self) -> list[Result]:
        pair = Pair.random(self.derivative, self.rng)
        found = self.compare(pair)
        errors = self.float_errors(pair, found)
        if found.verdict == "agrees" and np.inf not in errors:
            return [Result("agrees", found.digits, error) for error in errors]
        return [self.leaf(k, pair.only(k), e) for k, e in enumerate(errors)]

    def compare(self, pair, domain=None) -> Comparison:
        return compare(self.derivative, self.point, self.others, pair, domain=domain)

    def leaf(self, k, pair, float_error) -> Result:
        found = self.compare(pair)
        result = self.judged(found, pair)
        if float_error != np.inf:
            result = replace(result, float_error=float_error)
        elif result.status in ("agrees", "tie", "rounding"):
            run = float_claims(self.derivative, self.inputs, self.others, pair)
            note = "in floating point only; over the reals it is finite"
            result = Result("nan", note=note, where=run.where)
        if verdict_of([result.status]) is not False:
            return result
        failure = GradientFailure(
            self.question.names[k],
            result.status,
            self.question.arguments(self.inputs, self.others),
            pair.direction[k],
            list(pair.covector),
            _as_float(found.claimed),
            _as_float(found.truth),
            result.where,
            result.entry,
        )
        return replace(result, failure=failure)

    def judged(self, found: Comparison, pair) -> Result:
        verdict = found.verdict
        if verdict in ("differs", "value"):
            return self.blamed(found, pair)
        if verdict == "nan":
            place = first_no_number(self.derivative, self.point, self.others, pair)
            return Result("nan", where=place)
        if verdict == "tie":
            return Result("tie", note=self.convention(found, pair))
        return Result(verdict, found.digits, note=_last_line(found.error))

    def blamed(self, found, pair) -> Result:
        stopped = Stopped.at(self.derivative.function, *self.point, *self.others)
        if stopped and self.compare(pair, stopped.replay).verdict == "agrees":
            places = {str(n) for n in self.nodes if n.verdict == "stopped"}
            return Result("stopped", where="\n".join(sorted(places)))
        if found.verdict == "differs" and self.is_rounding(found):
            return Result("rounding", note=f"{found.gap:.1e} of it")
        bad = [n for n in self.nodes if n.verdict in ("differs", "value")]
        # each rule may be right at its tie, and their composition no derivative
        bad = bad or [n for n in self.nodes if n.verdict in ("tie", "beside")]
        entry = None
        if found.verdict == "differs" and _is_small(self.derivative):
            entry = narrowed(self.derivative, self.point, self.others, pair)
        where = "\n".join(list(dict.fromkeys(map(_blame, bad)))[:3])
        return Result("wrong", where=where, entry=self.named(entry) if entry else "")

    def is_rounding(self, found) -> bool:
        """Whether every rule is right but for constants, which make a small gap."""
        verdicts = {n.verdict for n in self.nodes}
        if "rounding" not in verdicts or not verdicts <= _SETTLED:
            return False
        units = [jnp.finfo(a.dtype).eps / 2 for a in self.derivative.inputs]
        return found.gap <= min(_GROWTH * float(max(units)), _MOST)

    def named(self, entry) -> str:
        outputs, names = self.question.out_names, self.question.names
        (row, i), (column, j) = entry.output, entry.input
        true, claimed = told_apart(entry.true, entry.claimed)
        return (
            f"d output{outputs[row]}{list(i) or ''} / d {names[column]}{list(j) or ''} "
            f"is {true}, claimed {claimed}"
        )

    def convention(self, found, pair) -> str:
        """What is taken at a tie, measured along a direction that grows."""
        taken = share(self.compare(pair.upward()))
        said = _SIDES.get(taken, "takes one of the derivatives close by")
        return "  ".join(part for part in (said, _last_line(found.error)) if part)

    @functools.cached_property
    def nodes(self) -> list:
        """The derivative of each node alone; none where a value is undecided."""
        with contextlib.suppress(UndecidedError):
            found = check_nodes(self.derivative, self.point, self.others, self.rng)
            return list(found)
        return []

    def float_errors(self, pair, found) -> list[float | None]:
        """How far a run in floating point is from the claim, for each leaf: relative to
        the largest element, inf where it is no number; None where not compared."""
        count = len(self.inputs)
        if not found.claims or not all(x.is_finite for x in found.claims):
            return [None] * count
        run = float_claims(self.derivative, self.inputs, self.others, pair)
        pairs = zip(run.claims, found.claims, strict=True)
        errors = [_distance(run, value.mid) for run, value in pairs]
        return [max(errors)] * count if self.derivative.forward else [*errors]


_SETTLED = {"agrees", "rounding", "tie", "stopped"}

# Constants are wrong by half an ulp each. A gap of the whole is put down to them only
# while it is no more than 4096 of these (condition numbers of a deep network), and a
# 64th of the derivative.
_GROWTH, _MOST = 4096, 2.0**-6

_SIDES: dict[float | None, str] = {
    0.0: "takes the derivative from below",
    1.0: "takes the derivative from above",
    0.5: "takes half of each side",
}

# Elements up to which a wrong one is looked for among all.
_FEW = 4096


def _blame(node) -> str:
    text = str(node)
    if node.verdict == "value":
        return f"{text}\n  returns another value than the function"
    if node.verdict in ("tie", "beside"):
        return f"{text}\n  is at a tie: right alone, but not in this composition"
    if node.maker is None:
        return text
    return f"{text}\n  its derivative in operand {node.operand} comes from {node.maker}"


def _last_line(error) -> str:
    """The equation that an error was located in."""
    return str(error).split("\n")[-1].strip() if error else ""


def _is_small(derivative) -> bool:
    sizes = [a.size for a in (*derivative.inputs, *derivative.outputs)]
    return sum(sizes) <= _FEW and len(derivative.claim.jaxpr.eqns) <= 300


def _distance(run, value) -> float:
    if not np.isfinite(run).all():
        return np.inf
    size = np.abs(value).max(initial=0.0)
    gap = np.abs(run - value).max(initial=0.0)
    return float(gap / size) if size else float(gap)


def _as_float(ball) -> float:
    return float("nan") if ball is None else float(ball)
