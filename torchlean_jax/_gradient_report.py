"""What `check_vjp` and `check_jvp` return."""

import inspect
from dataclasses import dataclass, field
from typing import Any

import jax
import numpy as np

from torchlean_jax._equivalent import Equivalence

# What is wrong first; what comes later in the list is said only if nothing before is.
_SEVERITY = (
    *("wrong", "nan", "stopped", "beside", "undecided", "none", "undefined"),
    *("rounding", "tie", "agrees"),
)
_REFUTED = ("wrong", "nan", "stopped")
_OPEN = ("beside", "undecided", "none", "undefined")

_MEANING = {
    "agrees": "agrees",
    "rounding": "agrees but for the rounding of constants in the rule",
    "tie": "agrees at a tie",
    "stopped": "stopped: the derivative with what is behind stop_gradient held fixed",
    "wrong": "wrong",
    "nan": "no number, where the function has finite slopes",
    "beside": "undecided: at a tie, outside the derivatives that were found close by",
    "undecided": "undecided",
    "none": "has nothing to agree with: a jump or an infinite slope is here",
    "undefined": "has nothing to agree with: the function has no value here",
}


@dataclass(frozen=True)
class GradientFailure:
    """Where the claim is not the derivative, and a witness.

    leaf: the input; kind: "wrong", "nan" or "stopped". At `inputs` (the arguments), in
    `direction` (which moves this leaf alone) and seen through `cotangent` the claim is
    the number `claimed`, and the difference quotient is `true` (NaN where not found).
    where: the equation whose derivative is wrong, with its source line; entry: one
    wrong element of the Jacobian, in words.
    """

    leaf: str
    kind: str
    inputs: Any = field(repr=False)
    direction: np.ndarray = field(repr=False)
    cotangent: Any = field(repr=False)
    claimed: float
    true: float
    where: str = ""
    entry: str = ""

    def __str__(self) -> str:
        lines = [f"{self.leaf}: {_MEANING[self.kind]}"]
        true, claimed = told_apart(self.true, self.claimed)
        numbers = f"claimed {claimed}, true {true}"
        lines.append(f"    {self.entry or 'in a random direction: ' + numbers}")
        lines += [f"    {line}" for line in self.where.splitlines()]
        return "\n".join(lines)


@dataclass(frozen=True)
class LeafCheck:
    """One float input: how the claim stands over all points.

    status: "agrees"; "rounding" (but for rounded constants in the rule); "tie" (one of
    the derivatives close by, at a kink); "wrong"; "nan"; "stopped"; or what leaves it
    open: "beside", "undecided", "none", "undefined". digits: to how many decimal digits
    claim and difference quotient are the same. float_error: how far the run in floating
    point is from the claim over the reals, relative to its largest element (None where
    not compared). note: in words, e.g. the convention at a tie.
    """

    name: str
    shape: tuple[int, ...]
    status: str
    digits: int
    float_error: float | None = None
    note: str = ""

    def __str__(self) -> str:
        said = _MEANING[self.status]
        if self.status == "agrees" and self.digits:
            said += f" to {self.digits} digits"
        if self.float_error is not None:
            said += f"; in floating point {self.float_error:.1e} off"
        return f"{said}{'; ' + self.note if self.note else ''}"


@dataclass(frozen=True)
class GradientCheck:
    """The answer of `check_vjp` and `check_jvp`.

    ok: True if the claim is the derivative for every input at every point, False if it
    is not for some, None where that stays open. as_functions: an Equivalence, whether
    the two are also the same function of the inputs, with `.error_probability` and the
    degree and primes it follows from; scope: "as functions" if that is settled as `ok`
    is, else "at points". leaves: a LeafCheck per float input, in
    order; failures: a GradientFailure per refuted leaf; nodes: with `nodes=True` the
    derivative of each equation alone; points: how many inputs were tried; skipped: why
    others were not.
    """

    name: str
    mode: str
    ok: bool | None
    leaves: tuple[LeafCheck, ...]
    failures: tuple[GradientFailure, ...]
    points: int
    as_functions: Equivalence
    nodes: tuple[Any, ...] = ()
    skipped: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return self.ok is True

    @property
    def scope(self) -> str:
        settled = self.ok is not None and self.as_functions.equal is self.ok
        return "as functions" if settled else "at points"

    @property
    def error_probability(self) -> float | None:
        """That the derivative is another one as a function; None at points, and where
        nothing is left to chance."""
        known = self.as_functions.error_probability
        return known if self.scope == "as functions" else None

    def __str__(self) -> str:
        verdict = {
            True: "is the derivative",
            False: "is not the derivative",
            None: "may be the derivative",
        }[self.ok]
        where = f"{self.points} point{'s' if self.points > 1 else ''}"
        if self.scope == "as functions":
            where = f"as functions, and at {where}"
        lines = [f"the {self.mode} of `{self.name}` {verdict} ({where})"]
        width = max(len(leaf.name) for leaf in self.leaves)
        lines += [f"  {leaf.name.ljust(width)}  {leaf}" for leaf in self.leaves]
        if self.nodes:
            others = [n for n in self.nodes if n.verdict not in ("agrees", "rounding")]
            good = len(self.nodes) - len(others)
            lines.append(f"  nodes: {good} of {len(self.nodes)} agree alone")
            lines += [f"    {node.verdict}: {node}" for node in others]
        lines += [f"  {line}" for line in self.skipped]
        lines += [f"  {line}" for line in self._of_functions()]
        for failure in self.failures:
            lines += str(failure).splitlines()
        return "\n".join(lines)

    def _of_functions(self) -> list[str]:
        """What is known of the derivative as a function, in words."""
        if self.scope == "as functions":
            return str(self.as_functions).splitlines()[1:]  # the first is the verdict
        said = {True: "agrees", False: "differs", None: "open"}[self.as_functions.equal]
        return [f"as functions: {said}: {self.as_functions.reason}"]


def told_apart(*numbers) -> list[str]:
    """The numbers in six digits, or in as many as tell them apart."""
    for digits in (6, 12, 17):
        texts = [f"{x:.{digits}g}" for x in numbers]
        if len(set(texts)) == len(numbers):
            break
    return texts


def worst(statuses) -> str:
    return min(statuses, key=_SEVERITY.index)


def verdict_of(statuses, allowed=()) -> bool | None:
    statuses = [s for s in statuses if s not in allowed]
    if any(s in _REFUTED for s in statuses):
        return False
    return None if any(s in _OPEN for s in statuses) else True


def leaf_names(function, args, kwargs) -> list[str]:
    """`"params['w']"` for each leaf of the arguments: the parameter and the path."""
    try:
        parameters = list(inspect.signature(function).parameters.values())
    except (TypeError, ValueError):
        parameters = []
    plain = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    known = [p.name for p in parameters if p.kind in plain]
    heads = [known[i] if i < len(known) else f"args[{i}]" for i in range(len(args))]
    return [
        head + jax.tree_util.keystr(path)
        for head, value in (*zip(heads, args, strict=True), *sorted(kwargs.items()))
        for path, _ in jax.tree_util.tree_flatten_with_path(value)[0]
    ]
