"""VNN-LIB 2.0, parsed by the package `vnnlib` of its authors.

The parser checks names, shapes and types; numbers are read from their own text here,
since it would round them.
"""

import json
import math
from fractions import Fraction
from typing import Any as Anything

from torchlean_jax.domains._errors import FileFormatError
from torchlean_jax.vnnlib._formula import (
    All,
    Any,
    Formula,
    Linear,
    added,
    compare,
    number,
    product,
    scaled,
)

_COMPARISONS = {
    "LessEqual": "<=",
    "GreaterEqual": ">=",
    "LessThan": "<",
    "GreaterThan": ">",
    "Equal": "=",
}


def parse(text: str) -> tuple[int, int, Formula]:
    """(number of inputs, number of outputs, the conjunction of all assertions).

    Elements of several inputs are numbered one input after the other, each in row-major
    order; outputs likewise.
    """
    from torchlean_jax.zoo._extras import import_extra

    vnnlib = import_extra("vnnlib", extra="vnnlib", purpose="reading VNN-LIB 2.0")
    try:
        query = vnnlib.parse_query_string(text)
    except vnnlib.VNNLibException as error:
        raise FileFormatError(_message(str(error))) from error
    if len(query.networks) != 1:
        raise FileFormatError(f"a property of {len(query.networks)} networks, not one")
    (network,) = query.networks
    if network.hidden:
        raise FileFormatError("hidden nodes of a network cannot be constrained")
    places: dict[str, tuple[int, tuple[int, ...]]] = {}
    inputs = _number(network.inputs, places)
    outputs = _number(network.outputs, places)
    reader = _Reader(places, vnnlib)
    return inputs, outputs, All(tuple(reader.formula(a.expr) for a in query.assertions))


def _message(text):
    """The parser reports in JSON, except for syntax errors."""
    try:
        errors = json.loads(text)["errors"]
        return "; ".join(
            f"line {e['line']}: {e['message']}: {e['offendingSymbol']}" for e in errors
        )
    except (ValueError, KeyError, TypeError):
        return text.strip()


def _number(definitions, places) -> int:
    start = 0
    for definition in definitions:
        if definition.onnx_name is not None:  # then the order may be another one
            raise FileFormatError(
                f"{definition.name} is tied to a node of the network by name; leave "
                "names away and declare nodes in the order of the network"
            )
        shape = tuple(definition.shape)
        places[definition.name] = start, shape
        start += math.prod(shape)
    return start


class _Reader:
    def __init__(self, places, vnnlib):
        self.places, self.vnnlib = places, vnnlib

    def formula(self, node: Anything) -> Formula:
        kind = type(node).__name__
        if kind in _COMPARISONS:
            return compare(_COMPARISONS[kind], self.term(node.lhs), self.term(node.rhs))
        if kind == "NotEqual":
            sides = self.term(node.lhs), self.term(node.rhs)
            return Any((compare("<", *sides), compare(">", *sides)))
        if kind in ("And", "Or"):
            parts = tuple(map(self.formula, node.args))
            return All(parts) if kind == "And" else Any(parts)
        raise FileFormatError(f"not understood: {node}")

    def term(self, node: Anything) -> Linear:
        kind = type(node).__name__
        if kind == "Var":
            return {self._variable(node): Fraction(1)}, Fraction(0)
        if isinstance(node, self.vnnlib.Literal):
            value = number(node.lexeme)
            if value is None:
                raise FileFormatError(f"line {node.line}: not a number: {node.lexeme}")
            return {}, value
        minus = Fraction(-1)
        if kind == "Negate":
            return scaled(minus, self.term(node.expr))
        if kind == "Plus":
            return added(map(self.term, node.args))
        if kind == "Minus":
            rest = (scaled(minus, self.term(r)) for r in node.rest)
            return added([self.term(node.head), *rest])
        if kind == "Multiply":
            return product([self.term(a) for a in node.args])
        raise FileFormatError(f"not understood: {node}")

    def _variable(self, node) -> int:
        start, shape = self.places[node.name]
        place = 0
        for index, size in zip(node.indices, shape, strict=True):
            place = place * size + index
        is_input = node.kind == self.vnnlib.SymbolKind.Input
        return start + place if is_input else -1 - (start + place)
