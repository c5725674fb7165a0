"""Choices that a certificate can write without a word for an undecided choice.

Questions whether a number is finite: yes, as long as that number stands in the graph
too, since the checker proves that whatever reads it finds a finite number. `max` with
minus infinity: the other operand. A choice by the order of two numbers x and y between
the same two: `larger` or `smaller`. One by the sign of x between x and c x: the larger
of them if c <= 1, the smaller one if c >= 1. And `jax.nn.elu`.

All of them are equal where they turn. Which side of a turning point an execution takes
is decided by one read of x, while what it returns is another read, which may be rounded
differently, or flushed; what that can cost is a theorem of the checker
(`torchlean_check/_choices.py`). A choice that jumps has none.
"""

from typing import NamedTuple

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
        if has_the_shape and _is_just(lowering, idle, least):
            return other
    return None


def _is_just(lowering, number, least) -> bool:
    if not lowering.is_decided(number):
        return False
    return bool(np.all(np.asarray(lowering.values[number], np.float64) == least))


class Word(NamedTuple):
    """A word of the format for a choice, and what it is given."""

    op: str
    inputs: tuple[int, ...]
    params: dict


class Choice(NamedTuple):
    """`above` where x > y, `below` where x < y, either where they are equal.

    x is no constant.
    """

    x: int
    y: int
    above: int
    below: int


def word_for(equation, lowering) -> Word | None:
    """How an undecided `select_n` is written, if it is known to be continuous."""
    choice = _choice(equation, lowering)
    if choice is None:
        return None
    x, y, above, below = choice
    if above == x and _alike(lowering, below, y):
        return Word("larger", (x, y), {})
    if below == x and _alike(lowering, above, y):
        return Word("smaller", (x, y), {})
    if _alike(lowering, above, y) and _is_clamped(lowering, below, "larger", x, y):
        return Word("smaller", (below, y), {})
    if _alike(lowering, below, y) and _is_clamped(lowering, above, "smaller", x, y):
        return Word("larger", (above, y), {})
    if above != x or not _is_zero(lowering, y):
        return None
    return _scaled(lowering, x, below) or _elu(lowering, x, below)


def _choice(equation, lowering) -> Choice | None:
    if equation.name != "select_n" or len(equation.inputs) != 3:
        return None
    which, no, yes = map(lowering.source, equation.inputs)
    asked = lowering.producers.get(which)
    if asked is None or asked.name not in _ABOVE + _BELOW:
        return None
    x, y = map(lowering.source, asked.inputs)
    above, below = (yes, no) if asked.name in _ABOVE else (no, yes)
    if lowering.is_decided(x):
        return Choice(y, x, below, above)
    return Choice(x, y, above, below)


_EXTREMES = {"larger": ("max", np.less_equal), "smaller": ("min", np.greater_equal)}


def _is_clamped(lowering, number, op, x, y) -> bool:
    """Whether a number is the larger of x and a constant that is not above y, or the
    smaller of x and one that is not below."""
    made, limit = lowering.producers.get(number), _entries(lowering, y)
    if made is None or limit is None:
        return False
    extreme, within = _EXTREMES[op]
    inputs = tuple(map(lowering.source, made.inputs))
    if made.name != extreme:
        word = word_for(made, lowering)
        if word is None or word.op != op:
            return False
        inputs = word.inputs
    if x not in inputs:
        return False
    (other,) = [n for n in inputs if n != x] or [x]
    return _is_all(lowering, other, lambda d: within(d, limit))


def _scaled(lowering, x, below) -> Word | None:
    """x where it is positive, else c x: leaky ReLU, and the magnitude for c = -1."""
    made = lowering.producers.get(below)
    if made is None or made.name not in ("neg", "mul"):
        return None
    factors = [lowering.source(n) for n in made.inputs]
    if x not in factors:
        return None
    if made.name == "neg":
        return Word("larger", (x, below), {})
    (factor,) = [n for n in factors if n != x] or [x]
    if _is_all(lowering, factor, lambda c: c <= 1):
        return Word("larger", (x, below), {})
    if _is_all(lowering, factor, lambda c: c >= 1):
        return Word("smaller", (x, below), {})
    return None


def _elu(lowering, x, below) -> Word | None:
    """x where it is positive, else alpha expm1(x), or expm1 of min(x, 0)."""
    alpha, made = 1.0, lowering.producers.get(below)
    if made is not None and made.name == "mul":
        one, other = map(lowering.source, made.inputs)
        rest, factor = (
            (other, one) if _entries(lowering, other) is None else (one, other)
        )
        entries = _entries(lowering, factor)
        if entries is None or np.ptp(entries) or not entries.flat[0] > 0:
            return None
        alpha = float(entries.flat[0])
        made = lowering.producers.get(rest)
    if made is None or made.name != "expm1":
        return None
    argument = lowering.source(made.inputs[0])
    if argument == x or _is_negative_part(lowering, argument, x):
        return Word("elu", (x,), {"alpha": alpha})
    return None


def _is_negative_part(lowering, number, x) -> bool:
    """Whether a number is min(x, 0), as a minimum or by the sign of x."""
    made = lowering.producers.get(number)
    if made is None:
        return False
    if made.name == "min":
        operands = [lowering.source(n) for n in made.inputs]
        return x in operands and any(_is_zero(lowering, n) for n in operands)
    choice = _choice(made, lowering)
    if choice is None or choice.x != x or choice.below != x:
        return False
    return _is_zero(lowering, choice.y) and _is_zero(lowering, choice.above)


def _alike(lowering, one, other) -> bool:
    """Whether two values are the same one, or constants with the same entries."""
    if one == other:
        return True
    here, there = _entries(lowering, one), _entries(lowering, other)
    return here is not None and there is not None and bool(np.all(here == there))


def _is_zero(lowering, number) -> bool:
    return _is_all(lowering, number, lambda c: c == 0)


def _is_all(lowering, number, holds) -> bool:
    entries = _entries(lowering, number)
    return entries is not None and bool(np.all(holds(entries)))


def _entries(lowering, number) -> np.ndarray | None:
    """What a finite constant holds, as an array of any shape that spreads to its own.

    The conversion of a constant is a node of its own, since it may round.
    """
    number = lowering.source(number)
    if lowering.is_decided(number):
        entries = np.asarray(lowering.values[number], np.float64)
        return entries if np.all(np.isfinite(entries)) else None
    made = lowering.producers.get(number)
    if made is None or made.name not in ("convert_element_type", "broadcast_in_dim"):
        return None
    entries = _entries(lowering, made.inputs[0])
    if entries is None or entries.size != 1:
        return None
    dtype = lowering.graph.avals[number].dtype
    with np.errstate(over="ignore", under="ignore"):
        same = entries.astype(dtype).astype(np.float64) == entries
    return entries if np.all(same) else None
