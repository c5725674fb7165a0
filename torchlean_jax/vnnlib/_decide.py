"""`decide`: is there an unsafe input, as a VNN-LIB file asks?

Each case of the file goes to `tl.verify`. Its box and its spec are wider than the exact
ones by rounding, which is fine for a proof. A refutation is therefore looked at once
more: at an exact point of the exact set.
"""

import dataclasses
import functools
import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from torchlean_jax import _snapshot
from torchlean_jax._constants import wide
from torchlean_jax._verdict import Verdict
from torchlean_jax._verify import verify
from torchlean_jax.domains._errors import InputError, MissingRuleError, UndecidedError
from torchlean_jax.domains.interval import Interval
from torchlean_jax.domains.interval._exact import narrowed_ends
from torchlean_jax.interpreters._forward import walk
from torchlean_jax.onnx import Network
from torchlean_jax.search import Search, _rational
from torchlean_jax.vnnlib._case import Case, doubles
from torchlean_jax.vnnlib._formula import All, Atom, Formula
from torchlean_jax.vnnlib._query import Query

METHODS = ("crown", "alpha-crown")
MOST_CUT = 50  # varying inputs: with more, halving one of them changes little


@dataclass(frozen=True, kw_only=True, eq=False)
class Answer:
    """Whether a network has an unsafe input, over the real numbers.

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


@dataclass(frozen=True)
class _Problem:
    """The network as a function of its parameters and inputs, the parameters, shapes
    and dtypes of the inputs, and the whole of the file.

    Parameters are arguments, so that networks of one shape share compiled programs.
    """

    function: Any
    params: dict[str, jax.Array]
    inputs: list[tuple[tuple[int, ...], Any]]
    formula: Formula

    def boxes(self, case: Case):
        return case.boxes(self.inputs)


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
) -> Answer:
    """Whether `query` has a solution: an input of the network whose output is unsafe.

    network, params: from `tl.from_onnx`. A size that the file leaves open counts as 1.
    methods: bound methods in the order of trying; after the first comes the attack.
    attack, seed, certificate: as of `tl.verify`. Verdicts carry the certificates, one
        for each case.
    timeout: seconds, in which cases with few varying inputs are decided by parts, by
        the first of the methods; watch: who follows that (see `tl.verify`).

    "unsat" and "sat" are statements about real arithmetic on the exact weights and the
    exact decimals of the file.

    Raises InputError if the network and the file do not fit, or if a coefficient of the
    file has no exact float64 form.
    """
    start = time.perf_counter()
    problem = _problem(network, params, query)
    said = list(query.empty)
    until = math.inf if timeout is None else start + timeout
    verdicts, status = [], "unsat"
    for number, case in enumerate(query.cases, 1):
        options = {"attack": attack, "seed": seed, "certificate": certificate}
        if timeout is not None and _is_cut(case):
            options["timeout"] = max(until - time.perf_counter(), 1e-3)
            options["watch"] = watch
            found = _decide_case(problem, case, methods[:1], options)
        else:
            found = _decide_case(problem, case, methods, options)
        verdicts += found.verdicts
        said.append(f"case {number} of {len(query.cases)}: {found.tried}")
        if found.status != "unsat":
            status = found.status
        if status == "sat":
            break
    else:
        found = Answer(status=status)
    if query.is_vacuous:
        said.append("no input and output satisfy the file, whatever the network is")
    return dataclasses.replace(
        found,
        status=status,
        verdicts=tuple(verdicts),
        tried="; ".join(said),
        seconds=time.perf_counter() - start,
    )


def _problem(network, params, query) -> _Problem:
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
    return _Problem(function, params, inputs, query.formula)


def _is_cut(case) -> bool:
    """Whether a case is one for a search by parts of its box."""
    varying = sum(low < high for low, high in zip(case.lo, case.hi, strict=True))
    return 0 < varying <= MOST_CUT


def _decide_case(problem, case, methods, options) -> Answer:
    if not all(case.unsafe):  # an empty group: every output is unsafe
        return _everything(problem, case)
    boxes, spec = problem.boxes(case), case.spec()

    def model(params, *inputs):
        return case.model(functools.partial(problem.function, params))(*inputs)

    model.__name__ = problem.function.__name__
    tried, verdict = [], None
    for method in methods:
        verdict = verify(
            model, (problem.params, *boxes), spec, method=method, **options
        )
        options = options | {"attack": False}
        tried.append(verdict.tried)
        if verdict.status == "proved":
            return _answer("unsat", tried, verdict)
        if verdict.status == "refuted":
            _, *point = verdict.counterexample
            found = _confirmed(problem, case, _nearest(case, point))
            if found is not None:
                return _answer("sat", tried, verdict, **found)
            tried.append("the counterexample is one of the rounded property only")
    return _answer("unknown", tried, verdict)


def _answer(status, tried, verdict, **found) -> Answer:
    return Answer(status=status, verdicts=(verdict,), tried=", ".join(tried), **found)


def _everything(problem, case) -> Answer:
    """A case that says nothing about outputs: any of its inputs is a solution."""
    middle = tuple((low + high) / 2 for low, high in zip(case.lo, case.hi, strict=True))
    found = _confirmed(problem, case, middle)
    if found is None:
        return Answer(status="unknown", tried="no input found that satisfies the file")
    return Answer(status="sat", tried="every output is unsafe", **found)


def _nearest(case, point) -> tuple[Fraction, ...]:
    """The point of the exact box next to a point of floats."""
    flat = np.concatenate([np.ravel(x).astype(np.float64) for x in point])
    return tuple(
        min(max(Fraction(x), low), high)
        for x, low, high in zip(flat.tolist(), case.lo, case.hi, strict=True)
    )


def _confirmed(problem, case, exact) -> dict | None:
    """What makes an answer "sat", if the whole file holds at the point `exact`.

    (Not the case alone, whose box has corners that the file may leave out.) The network
    is evaluated there by intervals, then, if these leave a sign open, in exact rational
    arithmetic.
    """
    boxes = problem.boxes(case)
    args = problem.params, *boxes
    model = _snapshot.snapshot(problem.function, args, Interval.is_value)
    params = jax.tree.leaves(problem.params)
    for evaluate in (_by_intervals, _by_rationals):
        try:
            outputs = evaluate(model, params, boxes, exact)
        except (MissingRuleError, UndecidedError):
            continue
        if _surely(problem.formula, exact, outputs):
            how = "intervals" if evaluate is _by_intervals else "exact rationals"
            return {"inputs": exact, "outputs": outputs, "confirmed": how}
    return None


def _surely(formula, inputs, outputs) -> bool:
    """Whether a formula is true whatever the outputs are within their bounds."""
    if not isinstance(formula, Atom):
        quantifier = all if isinstance(formula, All) else any
        return quantifier(_surely(part, inputs, outputs) for part in formula.parts)
    read = {-1 - v: c for v, c in formula.terms if v < 0}
    if not all(isinstance(end, Fraction) for j in read for end in outputs[j]):
        return False
    places = enumerate(outputs)
    worst = [high if read.get(j, 0) > 0 else low for j, (low, high) in places]
    return formula.holds(inputs, worst if read else ())


def _by_intervals(model, params, boxes, exact):
    """Bounds of the outputs, from the float64 numbers on both sides of each input."""
    sides = [_split(doubles(exact, up=up), boxes) for up in (False, True)]

    def build():
        def outputs(params, point):
            args = [*params, *point]
            found = walk(model.trace.jaxpr, model.trace.consts, args, Interval)
            values = [Interval.lift(y) for y in found]
            return [jnp.ravel(y.lo) for y in values], [jnp.ravel(y.hi) for y in values]

        return jax.jit(outputs)

    with jax.enable_x64(True):
        point = [
            Interval(*narrowed_ends(lo, hi, jnp.dtype(jnp.float64)))
            for lo, hi in zip(*sides, strict=True)
        ]
        known = [wide(leaf) for leaf in params]
        bounds = model.once("bounds at a point", build)(known, point)
        lows, highs = (np.concatenate(ends).tolist() for ends in bounds)
    return tuple(
        (_fraction(low), _fraction(high)) for low, high in zip(lows, highs, strict=True)
    )


def _by_rationals(model, params, boxes, exact):
    common = math.lcm(*(x.denominator for x in exact))
    numerators = np.empty(len(exact), object)
    numerators[:] = [int(x * common) for x in exact]
    point = [_rational.Rational(n, common) for n in _split(numerators, boxes)]
    where = tuple(range(len(params), len(params) + len(point)))
    outputs = _rational.evaluate(model.trace, [*params, *point], where)
    return tuple((y, y) for y in outputs)


def _split(flat, boxes):
    """A flat array in the shapes of the inputs."""
    sizes = np.cumsum([math.prod(b.shape) for b in boxes])[:-1]
    parts = np.split(flat, sizes)
    return [p.reshape(b.shape) for p, b in zip(parts, boxes, strict=True)]


def _fraction(x: float) -> Fraction | float:
    return Fraction(x) if math.isfinite(x) else x
