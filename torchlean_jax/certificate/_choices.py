"""Choices that a certificate can write without a word for an undecided choice.

Questions whether a number is finite: yes, as long as that number stands in the graph
too, since the checker proves that whatever reads it finds a finite number. `max` with
minus infinity: the other operand. And leaky ReLU, as jax.nn writes it: the larger of x
and c x for c in [0, 1].

A run of the last picks x or c x by comparing a read of x, which may find a subnormal
number flushed to 0 and so pick the smaller one. It is still within the errors of a
maximum: then 0 and that number are both reads of x, 0 is a read of c x, so either
operand may be the larger one and the error is the larger of the two; c x has at least
that of the smallest normal number; and what was picked lies between two reads of x or
is one of c x. For c > 1 the maximum is another function, and for c < 0 c x may be far
from x where x is subnormal.
"""

import numpy as np

_ABOVE, _BELOW = ("gt", "ge"), ("lt", "le")
_NEVER_LARGER = {"max": -np.inf, "min": np.inf}


def if_finite(equation):
    """What a question whether numbers are finite (or, x != x, no numbers) says of
    finite ones; None for other equations."""
    aval = equation.eqn.outvars[0].aval
    if equation.name == "is_finite":
        return np.ones(aval.shape, bool)
    if equation.name == "ne" and len(set(equation.inputs)) == 1:
        return np.zeros(aval.shape, bool)
    return None


def without_effect(equation, lowering) -> int | None:
    """The operand that `max` with minus infinity, or `min` with infinity, returns."""
    if equation.name not in _NEVER_LARGER:
        return None
    shape, least = equation.eqn.outvars[0].aval.shape, _NEVER_LARGER[equation.name]
    for idle, other in (equation.inputs, equation.inputs[::-1]):
        has_the_shape = lowering.graph.avals[other].shape == shape
        if has_the_shape and _is_all(lowering, idle, lambda c: c == least):
            return other
    return None


def leaky(equation, lowering) -> tuple[int, int] | None:
    """(x, c x) if the equation chooses x where it is positive, else c x."""
    if len(equation.inputs) != 3:
        return None
    which, *cases = map(lowering.source, equation.inputs)
    asked = lowering.producers.get(which)
    if asked is None or asked.name not in _ABOVE + _BELOW:
        return None
    x, level = map(lowering.source, asked.inputs)
    steep, same = cases if asked.name in _ABOVE else cases[::-1]
    if same != x or not _is_all(lowering, level, lambda c: c == 0):
        return None
    scaled = lowering.producers.get(steep)
    if scaled is None or scaled.name != "mul":
        return None
    factors = [lowering.source(n) for n in scaled.inputs]
    if x not in factors:
        return None
    (slope,) = [n for n in factors if n != x] or [x]
    if not _is_all(lowering, slope, lambda c: (c >= 0) & (c <= 1)):
        return None
    return x, steep


def _is_all(lowering, number, holds) -> bool:
    if not lowering.is_decided(number):
        return False
    return bool(np.all(holds(np.asarray(lowering.values[number], np.float64))))
