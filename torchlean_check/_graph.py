"""From the graph of a certificate to a program of steps on exact interval tensors.

Operations are looked up by primitive name in `OPERATIONS`; each states every parameter
that it accepts and computes its own result shape, which must equal the declared one.
Steps whose operands are all known are evaluated at once, as enclosures of the real
numbers they stand for (1/3 is an interval of width 2**-128, never a rounded float).
"""

import math
from typing import Any, NamedTuple

from torchlean_check._errors import CertificateError, UnsupportedCertificate
from torchlean_check._layout import strided, strides
from torchlean_check._linear import Move
from torchlean_check._schema import FLOATS, Arrays, checked_shape, fail, fields
from torchlean_check._tensor import Tensor

MAX_ENTRIES = 1 << 23  # over all values together
MAX_TERMS = 1 << 26  # multiplications in one forward pass

OPERATIONS: dict[str, tuple] = {}


def operation(*names: str, optional: tuple[str, ...] = (), **kinds):
    """Register `f(g, operands, shape, **params) -> Value` for primitives `names`.

    Names that begin with an underscore are for other rules, never for a certificate.
    """

    def register(function):
        for name in names:
            assert name not in OPERATIONS, name
            OPERATIONS[name] = (function, optional, kinds)
        return function

    return register


class Value(NamedTuple):
    id: int
    shape: tuple[int, ...]
    dtype: str
    known: Tensor | None = None

    @property
    def size(self) -> int:
        return math.prod(self.shape)


class Program:
    """Steps in order. Value k results from steps[k]; None for inputs and constants."""

    def __init__(self):
        self.values: list[Value] = []
        self.steps: list[Any] = []
        self.operands: list[tuple[int, ...]] = []
        self.names: dict[int, int] = {}  # value of the certificate -> ours
        self.relaxed: dict[int, int] = {}  # value of the certificate -> its relaxation
        self.nodes: list[tuple] = []  # (op, operands, result, params) as written
        self.folded: dict[int, tuple] = {}  # known value -> (step, operands) behind it
        self.inputs: list[Value] = []
        self.outputs: list[Value] = []
        self.entries = self.terms = 0

    def spend(self, terms: int) -> None:
        self.terms += terms
        if self.terms > MAX_TERMS:
            raise UnsupportedCertificate(f"more than {MAX_TERMS} terms in the graph")

    def _append(self, step, operands, shape, dtype, known) -> Value:
        self.entries += math.prod(shape)
        if self.entries > MAX_ENTRIES:
            raise UnsupportedCertificate(
                f"more than {MAX_ENTRIES} entries in the graph"
            )
        value = Value(len(self.values), tuple(shape), dtype, known)
        self.values.append(value)
        self.steps.append(step)
        self.operands.append(operands)
        return value

    def constant(self, tensor: Tensor, shape, dtype: str = "float64") -> Value:
        return self._append(None, (), shape, dtype, tensor)

    def number(self, m: int, e: int = 0) -> Value:
        ints = [m]
        return self.constant(Tensor(ints, ints, e), ())

    def emit(self, step, operands, shape) -> Value:
        """The result of a step; computed at once when its operands are known."""
        dtype = operands[0].dtype
        if all(x.known is not None for x in operands):
            tensor = step.forward([x.known for x in operands])
            value = self.constant(tensor, shape, dtype)
            self.folded[value.id] = step, tuple(x.id for x in operands)
            return value
        return self._append(step, tuple(x.id for x in operands), shape, dtype, None)

    def made(self, x: Value) -> tuple[Any, tuple[int, ...]]:
        """The last step behind a value, evaluated at once or not, and its operands."""
        return self.folded.get(x.id) or (self.steps[x.id], self.operands[x.id])

    def broadcast(self, x: Value, shape) -> Value:
        """Scalars and axes of size 1 stand for more, as in a jaxpr."""
        if x.shape == tuple(shape):
            return x
        known = x.shape or (1,) * len(shape)
        if len(known) != len(shape) or any(
            n not in (1, full) for n, full in zip(known, shape, strict=True)
        ):
            fail("shape", f"{list(x.shape)} where {list(shape)} is needed")
        pairs = zip(known, strides(known), strict=True)
        index = strided(shape, [step if n > 1 else 0 for n, step in pairs])
        return self.emit(Move(index, [x.size]), [x], shape)


def lower(graph: dict, arrays: Arrays) -> Program:
    """Check the graph against its schema and translate it."""
    g = Program()
    parts = fields(
        graph, "graph", inputs=[None], constants=[None], nodes=[None], outputs=[int]
    )
    for k, entry in enumerate(parts["inputs"]):
        where = f"graph.inputs[{k}]"
        entry = fields(entry, where, value=int, shape=[int], dtype=str)
        if entry["dtype"] not in FLOATS:
            fail(where, "the dtype of an input must be a float")
        shape = checked_shape(entry["shape"], where)
        value = g._append(None, (), shape, entry["dtype"], None)
        _name(g, entry["value"], value, where)
        g.inputs.append(value)
    for k, entry in enumerate(parts["constants"]):
        where = f"graph.constants[{k}]"
        entry = fields(entry, where, value=int, array=str)
        tensor = arrays.load(entry["array"], where)
        held = arrays.entry(entry["array"], where)
        _name(
            g, entry["value"], g.constant(tensor, held["shape"], held["dtype"]), where
        )
    for k, node in enumerate(parts["nodes"]):
        _lower_node(g, node, f"graph.nodes[{k}]")
    if not parts["inputs"] or not parts["outputs"]:
        fail("graph", "needs at least one input and one output")
    for k, name in enumerate(parts["outputs"]):
        value = _lookup(g, name, f"graph.outputs[{k}]")
        if value.dtype not in FLOATS:
            fail(f"graph.outputs[{k}]", "the dtype of an output must be a float")
        g.outputs.append(value)
    return g


def _lower_node(g: Program, node, where: str) -> None:
    node = fields(
        node, where, op=str, out=int, shape=[int], params=dict, **{"in": [int]}
    )
    if node["op"] not in OPERATIONS or node["op"].startswith("_"):
        message = f"primitive {node['op'][:40]!r} cannot be checked"
        raise UnsupportedCertificate(message, where)
    function, optional, kinds = OPERATIONS[node["op"]]
    where = f"{where} ({node['op']})"
    params = fields(node["params"], f"{where}.params", optional, **kinds)
    params = {name: value for name, value in params.items() if value is not None}
    operands = [_lookup(g, name, where) for name in node["in"]]
    shape = checked_shape(node["shape"], where)
    if not operands:
        fail(where, "no operands")
    before = len(g.steps)
    try:
        value = function(g, operands, shape, **params)
    except CertificateError as error:
        error.field = ".".join(filter(None, (where, error.field)))
        raise
    if value.shape != shape:
        fail(where, f"result has shape {list(value.shape)}, declared {list(shape)}")
    _name(g, node["out"], value, where)
    g.nodes.append((node["op"], operands, value, params))
    for k in range(before, len(g.steps)):
        if getattr(g.steps[k], "has_slopes", False):
            g.relaxed[node["out"]] = k


def _name(g: Program, name: int, value: Value, where: str) -> None:
    if name < 0 or name in g.names:
        fail(where, f"value {name} is negative or defined twice")
    g.names[name] = value.id


def _lookup(g: Program, name: int, where: str) -> Value:
    if name not in g.names:
        fail(where, f"value {name} is not defined before its use")
    return g.values[g.names[name]]
