"""Points of the exact set: whether a property file holds there, rigorously.

A counterexample of `tl.verify` is one of a box and a spec that are wider than the exact
ones by rounding. What counts is looked at here, in exact numbers.
"""

import hashlib
import math
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

import torchlean_jax
from torchlean_jax import _execution, _snapshot
from torchlean_jax._constants import wide
from torchlean_jax.domains._errors import MissingRuleError, UndecidedError
from torchlean_jax.domains.interval import Interval
from torchlean_jax.domains.interval._exact import narrowed_ends
from torchlean_jax.interpreters._forward import walk
from torchlean_jax.search import _rational
from torchlean_jax.vnnlib._case import Case, doubles
from torchlean_jax.vnnlib._formula import All, Atom, Formula


@dataclass(frozen=True)
class Problem:
    """The network as a function of its parameters and inputs, the parameters, shapes
    and dtypes of the inputs, the whole of the file, and which numbers it speaks of.

    Parameters are arguments, so that networks of one shape share compiled programs.
    """

    function: Any
    params: dict[str, jax.Array]
    inputs: list[tuple[tuple[int, ...], Any]]
    formula: Formula
    semantics: str = "real"

    def digest(self, *how) -> str:
        """A SHA-256 of the problem and of `how` it is decided, in this version."""
        zeros = [jnp.zeros(shape, dtype) for shape, dtype in self.inputs]
        model = _snapshot.snapshot(
            self.function, (self.params, *zeros), Interval.is_value
        )
        text = torchlean_jax.__version__, self.semantics, self.formula, how
        found = hashlib.sha256(f"{model.digest()} {text}".encode())
        for leaf in jax.tree.leaves(self.params):
            _snapshot.add_array(found, leaf)
        return found.hexdigest()

    def boxes(self, case: Case):
        return case.boxes(self.inputs)


def nearest(case, point) -> tuple[Fraction, ...]:
    """The point of the exact box next to a point of floats."""
    flat = np.concatenate([np.ravel(x).astype(np.float64) for x in point])
    return tuple(
        min(max(Fraction(x), low), high)
        for x, low, high in zip(flat.tolist(), case.lo, case.hi, strict=True)
    )


def confirmed(problem, case, point) -> dict | None:
    """What makes an answer "sat", if the whole file holds at a point of floats, or at
    one of the exact box next to it.

    (Not the case alone, whose box has corners that the file may leave out.) Over the
    reals the network is evaluated there by intervals, then, if these leave a sign open,
    in exact rational arithmetic. An execution takes floats only: it is run at those of
    the exact box that are next to the point.
    """
    if problem.semantics == "fp32":
        return _when_run(problem, case, point)
    exact = nearest(case, point)
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


def _when_run(problem, case, point) -> dict | None:
    point = _floats_inside(case, point)
    args = problem.params, *map(jnp.asarray, point)
    model = _snapshot.snapshot(problem.function, args, Interval.is_value)
    returned = _execution.run(model, args)
    if returned is None:
        return None
    flat = np.concatenate([np.ravel(x).astype(np.float64) for x in point])
    inputs = tuple(Fraction(x) for x in flat.tolist())
    outputs = tuple((y, y) for y in returned)
    if not _surely(problem.formula, inputs, outputs):
        return None
    how = f"an execution, by tl.faithful_jit on {jax.default_backend()}"
    return {"inputs": inputs, "outputs": outputs, "confirmed": how}


def _floats_inside(case, point) -> list[np.ndarray]:
    """A point of a box that was rounded outward, moved into the exact one where a
    neighbour of a coordinate is inside."""
    limits = zip(case.lo, case.hi, strict=True)
    moved = [np.array(x) for x in point]
    for array in moved:
        flat = array.reshape(-1)
        for k, x in enumerate(flat):
            low, high = next(limits)
            if Fraction(float(x)) > high:
                flat[k] = np.nextafter(x, array.dtype.type(-np.inf))
            elif Fraction(float(x)) < low:
                flat[k] = np.nextafter(x, array.dtype.type(np.inf))
    return moved


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
