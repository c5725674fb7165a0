"""Rewriting a graph so that functions known as wholes are seen as such.

Every rewrite keeps the real-valued function of the graph, value for value; it only
changes what back-substitution can know about it. x * logistic(x) in pieces is a product
of two unrelated numbers; silu(x) is one curve. Rewriting goes from the results to the
inputs, so that the largest pattern wins, and drops what is not needed any more. The
patterns are in `_formulas.py`.
"""

import dataclasses
import functools

import jax
import jax.numpy as jnp
import numpy as np

from torchlean_jax.interpreters._formulas import SOFTMAX, Pattern, patterns_by_root
from torchlean_jax.interpreters._graph import Equation, Graph, spliced
from torchlean_jax.interpreters._match import Finder, Formula


def recognise(graph: Graph) -> Graph:
    """The same function with known sub-graphs replaced; inputs and outputs keep their
    numbers.

    >>> from torchlean_jax.interpreters._graph import flatten
    >>> traced = jax.make_jaxpr(lambda x: x * jax.nn.sigmoid(x))(1.0)
    >>> graph = recognise(flatten(traced.jaxpr, traced.consts))
    >>> [equation.name for equation in graph.equations]
    ['call:silu']
    """
    finder = Finder(graph)
    outputs = [finder.first.get(number, number) for number in graph.outputs]
    result = Graph(list(graph.avals), [], graph.inputs, outputs, dict(graph.constants))
    needed, kept = set(outputs), []
    for equation in reversed(graph.equations):
        if not needed.intersection(equation.outputs):
            continue
        replaced = _replacement(finder, result, equation)
        replaced = replaced or [_without_repetition(finder, equation)]
        for each in reversed(replaced):
            kept.append(each)
            needed.update(each.inputs)
    result.equations = kept[::-1]
    return result


def softmaxes(graph: Graph) -> dict[int, tuple[int, int]]:
    """Where a graph computes a softmax: its result -> (its argument, the axis)."""
    finder, found = Finder(graph), {}
    for equation in graph.equations:
        if equation.name != "div":
            continue
        (root,) = equation.outputs
        reduced = _summed_below(finder, root)
        aval = graph.avals[root]
        if reduced is None:
            continue
        for pattern in SOFTMAX:
            formula = _formula(pattern, aval.shape, str(aval.dtype), *reduced)
            match = finder.match(formula, root)
            if match is not None:
                found[root] = match.values[0], reduced[1]
                break
    return found


def _without_repetition(finder, equation):
    """The equation on the first of values that were computed alike."""
    inputs = tuple(finder.first.get(i, i) for i in equation.inputs)
    return dataclasses.replace(equation, inputs=inputs)


def _replacement(finder, result, equation) -> list[Equation] | None:
    """Equations that give the same result, if it is one of the patterns."""
    if len(equation.outputs) != 1:
        return None
    (root,) = equation.outputs
    aval = finder.graph.avals[root]
    if not jnp.issubdtype(aval.dtype, jnp.floating):
        return None
    for pattern in patterns_by_root().get(equation.name, ()):
        reduced = _summed_below(finder, root) if pattern.reduces else ()
        if reduced is None:
            continue
        found = finder.match(
            _formula(pattern, aval.shape, str(aval.dtype), *reduced), root
        )
        if found is not None and pattern.when(*found.parameters):
            values, meaning = found.values, pattern.meaning
            mask = pattern.masked and _mask_of(finder, values[0])
            if mask:
                values, meaning = mask.values, mask.applied(pattern.masked)
            meaning = functools.partial(meaning, **_keywords(reduced))
            traced = jax.make_jaxpr(
                lambda *a, f=meaning, last=found.parameters: f(*a, *last)
            )(*(finder.graph.avals[i] for i in values))
            return spliced(result, traced, values, equation.source, root)[0]
    return None


@dataclasses.dataclass(frozen=True)
class _Mask:
    """A value that is values[1] where the boolean values[0] is `allowed`, and minus
    infinity elsewhere."""

    values: tuple[int, int]
    allowed: bool

    def applied(self, masked):
        def meaning(which, x, **keywords):
            return masked(which if self.allowed else ~which, x, **keywords)

        return meaning


def _mask_of(finder, number) -> _Mask | None:
    equation = finder.producer.get(finder.resolve(number))
    if equation is None or equation.name != "select_n" or len(equation.inputs) != 3:
        return None
    which, *cases = equation.inputs
    aval = finder.graph.avals[which]
    if aval.dtype != bool or aval.shape != finder.graph.avals[number].shape:
        return None
    for k, case in enumerate(cases):
        if finder.fill(case) == -np.inf:
            return _Mask((which, cases[1 - k]), allowed=k == 0)
    return None


@functools.lru_cache(maxsize=1024)
def _formula(pattern: Pattern, shape, dtype, summed=(), axis=None) -> Formula:
    result = jax.ShapeDtypeStruct(shape, dtype)
    if axis is None:
        return Formula(pattern.formula, [result] * pattern.values, pattern.parameters)
    x = jax.ShapeDtypeStruct(summed, dtype)
    level = jax.ShapeDtypeStruct((*summed[:axis], 1, *summed[axis + 1 :]), dtype)
    which = jax.ShapeDtypeStruct(summed, bool)
    formula = functools.partial(pattern.formula, axis=axis)
    return Formula(formula, [x, level, which][: pattern.values], pattern.parameters)


def _keywords(reduced):
    return {"axis": reduced[1]} if reduced else {}


def _summed_below(finder, root):
    """(shape, axis) of the nearest sum along one axis that leads to `root`, or None."""
    front = [root]
    for _ in range(8):
        following = []
        for number in front:
            equation = finder.producer.get(finder.resolve(number))
            if equation is None:
                continue
            if (
                equation.name == "reduce_sum"
                and len(equation.operation.params["axes"]) == 1
            ):
                shape = finder.graph.avals[equation.inputs[0]].shape
                return shape, equation.operation.params["axes"][0]
            following.extend(equation.inputs)
        front = following
    return None
