"""Points of the exact set: whether a property file holds there, rigorously.

A counterexample of `tl.verify` is one of a box and a spec that are wider than the exact
ones by rounding. What counts is looked at here, in exact numbers.
"""

import math
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from torchlean_jax import _snapshot
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
    and dtypes of the inputs, and the whole of the file.

    Parameters are arguments, so that networks of one shape share compiled programs.
    """

    function: Any
    params: dict[str, jax.Array]
    inputs: list[tuple[tuple[int, ...], Any]]
    formula: Formula

    def boxes(self, case: Case):
        return case.boxes(self.inputs)


def nearest(case, point) -> tuple[Fraction, ...]:
    """The point of the exact box next to a point of floats."""
    flat = np.concatenate([np.ravel(x).astype(np.float64) for x in point])
    return tuple(
        min(max(Fraction(x), low), high)
        for x, low, high in zip(flat.tolist(), case.lo, case.hi, strict=True)
    )


def confirmed(problem, case, exact) -> dict | None:
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
