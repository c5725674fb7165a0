"""Finding a formula in a graph: the same primitives with the same parameters, from the
result up.

A formula is a Python function, traced on the shapes at hand; its graph is compared with
the one that is searched. Some of its arguments stand for any value, the others
(`parameters`) for one known number that fills the value. What changes no real number is
looked through.
"""

import functools
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer

from torchlean_jax.interpreters import _jaxpr
from torchlean_jax.interpreters._graph import Graph, flatten

_COMMUTE = frozenset(("add", "add_any", "mul", "max", "min"))
_LOOKED_THROUGH = frozenset(("copy", "stop_gradient", "optimization_barrier", "name"))


@dataclass(frozen=True)
class Match:
    """Where a formula was found: value numbers of its arguments, numbers of its
    parameters."""

    values: tuple[int, ...]
    parameters: tuple[float, ...]


class Finder:
    """A graph prepared for matching. `first`: what a value repeats, by number."""

    def __init__(self, graph: Graph):
        self.graph = graph
        self.producer = graph.producer()
        self.fill = functools.cache(self._fill)
        self.first = _first_computed(graph)

    def match(self, formula: "Formula", root: int) -> Match | None:
        """Where the graph computes `formula` as the value `root`."""
        if formula.root != self.root_name(root):
            return None
        bound = _Comparison(formula, self).unify({}, formula.graph.outputs[0], root)
        if bound is None:
            return None
        numbers = formula.graph.inputs
        n = formula.n_values
        if any(i not in bound for i in numbers):
            return None
        return Match(
            tuple(bound[i] for i in numbers[:n]), tuple(bound[i] for i in numbers[n:])
        )

    def root_name(self, number: int) -> str | None:
        equation = self.producer.get(self.resolve(number))
        return None if equation is None else equation.name

    def resolve(self, number: int) -> int:
        """The value that `number` is a copy of, or the first that was computed the same
        way."""
        number = self.first.get(number, number)
        while (equation := self.producer.get(number)) is not None:
            same = equation.name in _LOOKED_THROUGH
            if equation.name == "convert_element_type":
                (source,) = equation.inputs
                same = self.graph.avals[source].dtype == self.graph.avals[number].dtype
            if not same or len(equation.inputs) != 1:
                return number
            (number,) = equation.inputs
            number = self.first.get(number, number)
        return number

    def _fill(self, number: int):
        """The one number that fills a constant value, or None."""
        number = self.resolve(number)
        if number in self.graph.constants:
            return _uniform(self.graph.constants[number])
        equation = self.producer.get(number)
        if equation is None or len(equation.inputs) != 1:
            return None
        if equation.name in ("broadcast_in_dim", "reshape"):
            return self.fill(equation.inputs[0])
        if equation.name == "convert_element_type":
            source = self.fill(equation.inputs[0])
            return (
                None
                if source is None
                else _cast(source, self.graph.avals[number].dtype)
            )
        return None

    def squared(self, equation) -> int | None:
        """The value that an equation squares, in whichever way it is written."""
        operands = {self.resolve(i) for i in equation.inputs}
        power = (
            equation.operation.params.get("y")
            if equation.name == "integer_pow"
            else None
        )
        if (
            equation.name == "square"
            or power == 2
            or (equation.name == "mul" and len(operands) == 1)
        ):
            return operands.pop()
        return None

    def spread(self, number: int) -> int:
        """The scalar that a broadcast spreads, else the value itself."""
        number = self.resolve(number)
        equation = self.producer.get(number)
        if equation is not None and equation.name == "broadcast_in_dim":
            (source,) = equation.inputs
            if self.graph.avals[source].shape == ():
                return self.resolve(source)
        return number


def _first_computed(graph) -> dict[int, int]:
    """For each value the first one with the same primitive, parameters and operands."""
    first, seen = {}, {}
    for number, array in graph.constants.items():
        fill = _uniform(array)
        if fill is not None and fill == fill:
            aval = graph.avals[number]
            first[number] = seen.setdefault((fill, aval.shape, aval.dtype), number)
    for equation in graph.equations:
        operands = tuple(first.get(i, i) for i in equation.inputs)
        try:
            key = equation.name, tuple(equation.operation.params.items()), operands
            outputs = seen.setdefault(key, equation.outputs)
        except TypeError:  # a parameter that cannot be hashed
            outputs = equation.outputs
        first.update(zip(equation.outputs, outputs, strict=True))
    return first


def _uniform(array):
    if isinstance(array, Tracer):
        return None
    array = np.asarray(array)
    if array.size == 0 or array.dtype.kind not in "fiub":
        return None
    first = array.reshape(-1)[0]
    same = array.size == 1 or bool((array == first).all())
    return float(first) if same else None


def _cast(number, dtype):
    """`number` if `dtype` holds it exactly, else None."""
    if not jnp.issubdtype(dtype, jnp.floating):
        return None
    return number if float(np.asarray(number).astype(dtype)) == number else None


class Formula:
    """A formula traced on shapes: the first `n_values` arguments are values."""

    def __init__(self, function, values, parameters: int):
        dtype = values[0].dtype
        scalars = [jax.ShapeDtypeStruct((), dtype)] * parameters
        jaxpr, consts = _jaxpr.open_jaxpr(jax.make_jaxpr(function)(*values, *scalars))
        self.graph = flatten(jaxpr, consts)
        self.n_values = len(values)
        self.finder = Finder(self.graph)
        self.root = self.finder.root_name(self.graph.outputs[0])


@dataclass(frozen=True)
class _Comparison:
    """Unification: extends `bound` (formula value -> graph value or number) or gives
    None."""

    formula: Formula
    there: Finder

    def unify(self, bound: dict, mine: int, yours: int) -> dict[int, Any] | None:
        here = self.formula.finder
        mine = here.resolve(mine)
        inputs = self.formula.graph.inputs
        if here.spread(mine) in inputs[self.formula.n_values :]:
            return _bind(bound, here.spread(mine), self.there.fill(yours))
        if (number := here.fill(mine)) is not None:
            return bound if self.there.fill(yours) == number else None
        yours = self.there.resolve(yours)
        if self.formula.graph.avals[mine].shape != self.there.graph.avals[yours].shape:
            return None
        if mine in inputs or mine in bound:
            return _bind(bound, mine, yours)
        return self._equations(bound, mine, yours)

    def _equations(self, bound, mine, yours):
        ours, theirs = (
            self.formula.finder.producer.get(mine),
            self.there.producer.get(yours),
        )
        if ours is None or theirs is None:
            return None
        our_root = self.formula.finder.squared(ours)
        their_root = self.there.squared(theirs)
        if our_root is not None and their_root is not None:
            found = self.unify(bound, our_root, their_root)
            return None if found is None else {**found, mine: yours}
        if not _same_operation(ours, theirs):
            return None
        if ours.outputs.index(mine) != theirs.outputs.index(yours):
            return None
        orders = [theirs.inputs]
        if ours.name in _COMMUTE:
            orders.append(theirs.inputs[::-1])
        for order in orders:
            found = bound
            for a, b in zip(ours.inputs, order, strict=True):
                found = None if found is None else self.unify(found, a, b)
            if found is not None:
                return {**found, mine: yours}
        return None


def _bind(bound, mine, value):
    if value is None or bound.get(mine, value) != value:
        return None
    return {**bound, mine: value}


def _same_operation(a, b):
    if a.name != b.name or len(a.inputs) != len(b.inputs):
        return False
    return dict(a.operation.params) == dict(b.operation.params)
