"""One row per rule: a program, its inputs, and what NumPy says it returns.

NumPy computes outside XLA, element by element as IEEE 754 asks. The rows are in
`cases_*.py`; `all_cases.py` has all.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from tests.domains.ieee32 import exact
from tests.domains.ieee32.patterns import adversarial, floats

F = np.float32


@dataclass(frozen=True)
class Case:
    """rules: the primitives it speaks for. inputs: shapes of float32 arguments, or
    arrays that stay concrete. ordered: the oracle takes the order first."""

    name: str
    rules: tuple[str, ...]
    f: Callable
    inputs: tuple
    oracle: Callable
    ordered: bool = False
    plain: bool = False  # ordinary numbers, not adversarial patterns

    def __str__(self):
        return self.name

    def draw(self, seed):
        rng = np.random.default_rng(seed)
        return [self._input(rng, shape) for shape in self.inputs]

    def _input(self, rng, shape):
        if not isinstance(shape, tuple):
            return shape
        size = int(np.prod(shape))
        if self.plain:
            numbers = rng.standard_normal(size) * 10.0 ** rng.integers(-3, 3, size)
            numbers[rng.random(size) < 0.1] = -0.0
            return numbers.astype(F).reshape(shape)
        return floats(adversarial(rng, size, 1)[0]).reshape(shape)


def case(name, f, inputs, oracle, rules=None, **more):
    """A row that speaks for the rules given, or for the one that it is named after."""
    return Case(name, tuple(rules or (name,)), f, inputs, oracle, **more)


def elementwise(name, f, oracle, rules=None, arguments=1):
    return case(name, f, ((200,),) * arguments, oracle, rules)


def in_order(name, f, inputs, oracle, rules=None, *, plain=True):
    """A row of sums: the oracle, a loop in the order that the domain states, takes
    that order first."""
    return case(name, f, inputs, oracle, rules, ordered=True, plain=plain)


def fold(order, terms, name="add"):
    """Terms along the first axis."""
    add = {"add": np.add, "mul": np.multiply}[name]
    if len(terms) == 0:
        return np.zeros(terms.shape[1:], F) if name == "add" else np.ones((), F)
    reference = exact.pairwise if order == "pairwise" else exact.sequential
    return reference(list(terms), add)


def maximum(x, y):
    """IEEE 754-2019: a NaN wins, +0 is above -0."""
    equal = np.where(np.signbit(x), y, x)
    return np.where(
        np.isnan(x) | np.isnan(y),
        np.nan,
        np.where(x == y, equal, np.where(x > y, x, y)),
    ).astype(F)


def minimum(x, y):
    return -maximum(-x, -y)
