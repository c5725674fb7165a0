"""`decide`: is there an unsafe input, as a VNN-LIB file asks?

Each case of the file goes to `tl.verify`. Its box and its spec are wider than the exact
ones by rounding, which is fine for a proof. A refutation is therefore looked at once
more: at an exact point of the exact set.
"""

import contextlib
import dataclasses
import functools
import math
import os
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import jax

from torchlean_jax import _snapshot
from torchlean_jax._problem import is_set
from torchlean_jax._verdict import Verdict
from torchlean_jax._verify import verify
from torchlean_jax.domains._errors import InputError
from torchlean_jax.onnx import Network
from torchlean_jax.search import Branching, Search
from torchlean_jax.search._executors import Executor
from torchlean_jax.search._region import has_phases
from torchlean_jax.search._saved import Saved
from torchlean_jax.search._stop import is_asked_for, on_signals
from torchlean_jax.vnnlib._points import Problem, confirmed
from torchlean_jax.vnnlib._query import Query

METHODS = ("crown", "alpha-crown")
MOST_CUT = 50  # varying inputs: with more, halving one of them changes little
_BOUND_PARTS = {
    "inputs": ("ibp", "forward", "crown-ibp", "crown"),
    "phases": ("crown", "alpha-crown"),
}
_CELLS = 64  # bounded between two looks at the clock


@dataclass(frozen=True, kw_only=True, eq=False)
class Answer:
    """Whether a network has an unsafe input, over the real numbers or when it is run.

    status: "unsat" (it has none: the property holds), "sat" (it has the one given here)
        or "unknown".
    inputs: "sat" only: an exact point of the exact set, flattened.
    outputs: bounds of what the network returns there, as pairs of exact numbers.
    confirmed: by which arithmetic the outputs were found to be unsafe.
    verdicts: of the cases that were looked at, each the last one about its case.
    tried: what was done, in words.
    """

    status: str
    inputs: tuple[Fraction, ...] | None = None
    outputs: tuple[tuple[Fraction, Fraction], ...] | None = None
    confirmed: str | None = None
    verdicts: tuple[Verdict, ...] = ()
    tried: str = ""
    seconds: float = 0.0


def decide(
    network: Network,
    params: dict[str, jax.Array],
    query: Query,
    *,
    methods: tuple[str, ...] = METHODS,
    attack: Any = True,
    seed: int = 0,
    certificate: bool = True,
    timeout: float | None = None,
    watch: Callable[[Search], Any] | None = None,
    semantics: str = "real",
    resume: str | os.PathLike | None = None,
    executor: Executor | None = None,
    hints: str | os.PathLike | Mapping | None = None,
) -> Answer:
    """Whether `query` has a solution: an input of the network whose output is unsafe.

    network, params: from `tl.from_onnx`. A size that the file leaves open counts as 1.
    methods: bound methods in the order of trying; after the first comes the attack.
    attack, seed, certificate: as of `tl.verify`. Verdicts carry the certificates, one
        for each case.
    timeout: seconds, in which what bounds leave open is decided by parts, by the first
        of the methods that bounds such: by parts of the inputs where at most 50 vary,
        else by phases of ReLUs. watch: who follows a search (see `tl.verify`).

    resume: a file in which searches by parts are kept, and from which they go on (see
        `tl.verify`); without one they are kept in memory, for their next turn.
    executor, hints: who bounds parts, and cuts to begin with in each case that has them
        inside (see `tl.verify`); they need a timeout, as a search does.

    "unsat" and "sat" are statements about real arithmetic on the exact weights and the
    exact decimals of the file; with `semantics="fp32"`, "unsat" about every execution
    on inputs that the network's dtype can hold, and "sat" about one execution.

    Raises InputError if the network and the file do not fit, if a coefficient of the
    file has no exact float64 form, or if `resume` is the file of another problem.
    """
    start = time.perf_counter()
    spread = {"executor": executor, "hints": hints}
    if timeout is None and any(given is not None for given in spread.values()):
        raise InputError("an executor and hints are for a search, which has a timeout")
    problem = _problem(network, params, query, semantics)
    until = math.inf if timeout is None else start + timeout
    saved = Saved(resume, problem.digest(methods))
    course = _Course(methods, attack, seed, certificate, until, watch, saved, spread)
    with on_signals() if resume is not None else contextlib.nullcontext():
        answers = _by_turns(problem, query.cases, course)
    ordered = [answers[number] for number in sorted(answers)]
    by_status = {answer.status: answer for answer in ordered}
    status = next((s for s in ("sat", "unknown") if s in by_status), "unsat")
    found = by_status["sat"] if status == "sat" else Answer(status=status)
    total = len(query.cases)
    said = [*query.empty]
    said += [f"case {k + 1} of {total}: {answers[k].tried}" for k in sorted(answers)]
    if query.is_vacuous:
        said.append("no input and output satisfy the file, whatever the network is")
    return dataclasses.replace(
        found,
        verdicts=tuple(verdict for answer in ordered for verdict in answer.verdicts),
        tried="; ".join(said),
        seconds=time.perf_counter() - start,
    )


@dataclass(frozen=True)
class _Course:
    """How the cases of a file are decided: see `decide`; until: of the same clock."""

    methods: tuple[str, ...]
    attack: Any
    seed: int
    certificate: bool
    until: float
    watch: Callable[[Search], Any] | None
    saved: Saved
    spread: Mapping[str, Any]

    def is_kept(self, number) -> bool:
        """Whether a search for this case has begun."""
        return self.saved.slot(f"case {number}").is_used


def _by_turns(problem, cases, course) -> dict[int, Answer]:
    """An answer to each case, up to one that is "sat".

    Each case has its share of the time that is left. One for which that was too short
    has another turn: its search goes on, or, without one, if there is more time.
    """
    answers, had = {}, {}
    waiting = list(range(len(cases)))
    while waiting:
        late = []
        for place, number in enumerate(waiting):
            start = time.perf_counter()
            share = (course.until - start) / (len(waiting) - place)
            again = number in had and not course.is_kept(number)
            if again and share <= had[number]:
                continue
            until, had[number] = start + share, share
            found = _decide_case(problem, cases[number], course, until, number)
            answers[number] = found
            if found.status == "sat":
                return answers
            late_now = time.perf_counter() >= until and not is_asked_for()
            if found.status == "unknown" and late_now:
                late.append(number)
        waiting = late if time.perf_counter() < course.until else []
    return answers


def _problem(network, params, query, semantics) -> Problem:
    inputs = []
    for declared in network.inputs:
        if declared.shape is None:
            raise InputError(
                f"{network.name} does not say the shape of {declared.name}"
            )
        shape = tuple(n if isinstance(n, int) else 1 for n in declared.shape)
        inputs.append((shape, jax.dtypes.canonicalize_dtype(declared.dtype)))

    def function(params, *args):
        return network(params, *args)

    function.__name__ = network.name
    avals = [jax.ShapeDtypeStruct(*shape_dtype) for shape_dtype in inputs]
    outputs = jax.tree.leaves(jax.eval_shape(function, params, *avals))
    counts = tuple(sum(math.prod(a.shape) for a in side) for side in (avals, outputs))
    if counts != (query.inputs, query.outputs):
        raise InputError(
            f"{network.name} takes {counts[0]} numbers and returns {counts[1]}; "
            f"{query.source} declares {query.inputs} and {query.outputs}"
        )
    return Problem(function, params, inputs, query.formula, semantics)


def _decide_case(problem, case, course, until, number) -> Answer:
    if is_asked_for():
        return Answer(status="unknown", tried="interrupted before it")
    if not all(case.unsafe):  # an empty group: every output is unsafe
        return _everything(problem, case)

    function = problem.function  # alone: other processes get what `model` refers to

    def model(params, *inputs):
        return case.model(functools.partial(function, params))(*inputs)

    model.__name__ = function.__name__
    args, spec = (problem.params, *problem.boxes(case)), case.spec()
    tried, verdict = [], None
    shared = {"certificate": course.certificate, "semantics": problem.semantics}
    for options in _attempts(model, args, case, course, until, number):
        if is_asked_for() and verdict is not None:
            break
        verdict = verify(model, args, spec, **shared, **options)
        tried.append(verdict.tried)
        if verdict.status == "proved":
            return _answer("unsat", tried, verdict)
        if verdict.status == "refuted":
            _, *point = verdict.counterexample
            found = confirmed(problem, case, point)
            if found is not None:
                return _answer("sat", tried, verdict, **found)
            tried.append("the counterexample is one of the rounded property only")
    return _answer("unknown", tried, verdict)


def _attempts(model, args, case, course, until, number) -> Iterator[dict]:
    """Options of `tl.verify`, for one attempt at a case after the other."""
    cut = _cut(model, args, case) if until < math.inf else None
    bounded = () if cut is None else _BOUND_PARTS[cut]
    searching = [m for m in course.methods if m in bounded]
    attacked = {"attack": course.attack, "seed": course.seed}
    whole = course.methods
    if searching and (cut == "inputs" or course.is_kept(number)):
        whole = ()
    elif searching and not course.certificate:
        whole = whole[:1]  # the search begins with bounds as good as the others
    for place, method in enumerate(whole):
        yield {"method": method, **(attacked if place == 0 else {"attack": False})}
    left = until - time.perf_counter()
    if not searching or (whole and left <= 0):
        return
    if whole:
        attacked["seed"] ^= 1  # the same points again would find nothing either
    yield {
        "method": searching[0],
        "split": Branching(cut="phases", batch=_CELLS) if cut == "phases" else True,
        "timeout": max(left, 1e-3),
        "watch": course.watch,
        "resume": course.saved.slot(f"case {number}"),
        **course.spread,
        **attacked,
    }


def _cut(model, args, case) -> str | None:
    """What a search for a case would cut, if anything."""
    varying = sum(low < high for low, high in zip(case.lo, case.hi, strict=True))
    if varying <= MOST_CUT:
        return "inputs" if varying else None
    traced = _snapshot.snapshot(model, args, is_set)
    return "phases" if has_phases(traced, args) else None


def _answer(status, tried, verdict, **found) -> Answer:
    return Answer(status=status, verdicts=(verdict,), tried=", ".join(tried), **found)


def _everything(problem, case) -> Answer:
    """A case that says nothing about outputs: any of its inputs is a solution."""
    middle = [box.lo * 0.5 + box.hi * 0.5 for box in problem.boxes(case)]
    found = confirmed(problem, case, middle)
    if found is None:
        return Answer(status="unknown", tried="no input found that satisfies the file")
    return Answer(status="sat", tried="every output is unsafe", **found)
