"""From our flat graph to the graph of a certificate.

What depends on no input and is exact becomes a constant; what moves elements in a way
the format has no word for becomes `take` with the indices it moves; everything else
keeps its primitive's name and the parameters that matter. Parameters that JAX versions
add do not reach the file.
"""

from dataclasses import dataclass, field
from typing import Any

import jax.numpy as jnp
import numpy as np

from torchlean_jax.certificate import _choices
from torchlean_jax.certificate._taken import take
from torchlean_jax.certificate._wholes import PIECES
from torchlean_jax.certificate._words import PARAMETERS, PLAIN, SAME, TAKEN, WHOLES
from torchlean_jax.domains._domain import Domain
from torchlean_jax.domains._errors import CertificateWriteError
from torchlean_jax.interpreters import _forward


@dataclass
class Lowering:
    """A certificate's graph under construction; `number` maps our values to the
    file's."""

    graph: Any
    values: dict
    domain: Domain
    nodes: list = field(default_factory=list)
    constants: dict = field(default_factory=dict)
    alias: dict = field(default_factory=dict)
    written: dict = field(default_factory=dict)
    finite: set = field(default_factory=set)  # what the checker has to prove finite
    fresh: int = 0

    def __post_init__(self):
        self.producers = {
            n: equation for equation in self.graph.equations for n in equation.outputs
        }

    def is_decided(self, number) -> bool:
        return not self.domain.is_value(self.values[number])

    def source(self, number) -> int:
        while number in self.alias:
            number = self.alias[number]
        return number

    def presume(self, equation) -> None:
        """What was answered for finite numbers holds if the checker finds them so."""
        if _choices.if_finite(equation) is not None:
            sources = map(self.source, equation.inputs)
            self.finite.update(n for n in sources if not self.is_decided(n))

    def constant(self, array) -> int:
        self.fresh += 1
        self.constants[self.fresh] = np.asarray(array)
        return self.fresh

    def node(self, op, inputs, shape, params, out) -> int:
        self.nodes.append(
            {
                "op": op,
                "in": list(inputs),
                "out": out,
                "shape": list(shape),
                "params": params,
            }
        )
        return out

    def refuse(self, equation, because: str) -> None:
        """A node in the place of an equation that only matters if it is needed."""
        name, source = equation.name, equation.source
        where = f" at {source[0].rsplit('/', 1)[-1]}:{source[1]}" if source else ""
        inputs = list(map(self.operand, equation.inputs))
        for out in equation.outputs:
            self.node(None, inputs, (), {"because": f"{name}{where}: {because}"}, out)

    def new(self) -> int:
        self.fresh += 1
        return self.fresh

    def operand(self, number) -> int:
        """The file's number of one of our values; concrete ones become constants."""
        number = self.source(number)
        if not self.is_decided(number):
            return number
        if number not in self.written:
            self.written[number] = self.constant(self.values[number])
        return self.written[number]


def lower(graph, arrays, sets, domain: Domain) -> tuple[dict, dict[int, int]]:
    """The JSON pieces of `graph`, and the file's number of each of its values.

    arrays: concrete inputs by number; sets: numbers of the input sets; domain: whose
    claims the graph is for, which decides what is exact.

    Raises CertificateWriteError naming every equation that the format cannot express.
    """
    values = _concrete_values(graph, arrays, sets, domain)
    lowering = Lowering(graph, values, domain, fresh=len(graph.avals))
    needed = _needed(graph, values)
    for equation in graph.equations:
        if not needed.intersection(equation.outputs):
            continue
        if all(map(lowering.is_decided, equation.outputs)):
            lowering.presume(equation)
            continue
        reason = _lower_equation(equation, lowering)
        if reason:
            lowering.refuse(equation, reason)
    outputs = [lowering.operand(o) for o in graph.outputs]
    used, nodes = _used(lowering, outputs)
    refused = dict.fromkeys(v["params"]["because"] for v in nodes if v["op"] is None)
    if refused:
        raise CertificateWriteError(
            "the certificate format has no word for " + "; ".join(refused)
        )
    if not lowering.finite <= used:
        raise CertificateWriteError(
            "a choice depends on whether a number is finite that the result does "
            "not need"
        )
    return _renumbered(graph, lowering, outputs, sets, used, nodes)


def _concrete_values(graph, arrays, sets, domain):
    """Exact arrays where nothing depends on the sets and nothing rounds; values of the
    domain elsewhere.

    These serve only to tell the two apart.
    """
    values = {**graph.constants, **arrays}
    for number in sets:
        aval = graph.avals[number]
        values[number] = domain.unknown(aval.shape, aval.dtype)
    for equation in graph.equations:
        operands = [values[i] for i in equation.inputs]
        outputs = _forward.apply(equation.eqn, operands, domain)
        answer = _choices.if_finite(equation)
        if answer is not None and domain.is_value(operands[0]):
            outputs = [answer]
        values.update(zip(equation.outputs, outputs, strict=True))
    return values


def _needed(graph, values):
    needed = set(graph.outputs)
    for equation in reversed(graph.equations):
        if needed.intersection(equation.outputs):
            needed.update(equation.inputs)
    return needed


def _lower_equation(equation, lowering) -> str | None:
    name, params = WHOLES.get(equation.name, equation.name), equation.operation.params
    shape = equation.eqn.outvars[0].aval.shape
    (out, *others) = equation.outputs
    if name in SAME:
        for source, target in zip(equation.inputs, equation.outputs, strict=True):
            lowering.alias[target] = source
        return None
    if name == "convert_element_type":
        return _cast(equation, lowering)
    if name in TAKEN:
        return take(equation, lowering)
    if others:
        return "several results"
    if name in PIECES:
        return PIECES[name](equation, lowering, shape)
    same = _choices.without_effect(equation, lowering)
    if same is not None:
        lowering.alias[out] = same
        return None
    if name == "select_n" and not lowering.is_decided(equation.inputs[0]):
        word = _choices.word_for(equation, lowering)
        if word is None:
            return "an undecided choice"
        inputs = map(lowering.operand, word.inputs)
        lowering.node(word.op, inputs, shape, word.params, out)
        return None
    if name == "reshape" and params["dimensions"] is not None:
        return _turned_and_reshaped(equation, lowering, shape)
    inputs = [lowering.operand(i) for i in equation.inputs]
    if name == "slice":
        strides = params["strides"] or [1] * len(shape)
        fields = {
            "start_indices": list(params["start_indices"]),
            "limit_indices": list(params["limit_indices"]),
            "strides": list(strides),
        }
    elif name in PARAMETERS:
        fields = PARAMETERS[name](params)
    elif name in PLAIN:
        fields = {}
    else:
        return "no rule in the checker"
    if name in PLAIN:
        inputs = [
            _stretched(i, n, shape, lowering)
            for i, n in zip(equation.inputs, inputs, strict=True)
        ]
    lowering.node(name, inputs, shape, fields, out)
    return None


def _turned_and_reshaped(equation, lowering, shape):
    """A jaxpr's reshape may read the axes in another order; the checker's does not."""
    (source,), order = equation.inputs, list(equation.operation.params["dimensions"])
    sizes = lowering.graph.avals[source].shape
    turned = lowering.node(
        "transpose",
        [lowering.operand(source)],
        tuple(sizes[axis] for axis in order),
        {"permutation": order},
        lowering.new(),
    )
    fields = {"new_sizes": list(shape)}
    lowering.node("reshape", [turned], shape, fields, equation.outputs[0])
    return None


def _stretched(number, source, shape, lowering):
    """An operand with the shape of the result; a jaxpr stretches axes of size 1
    silently."""
    given = lowering.graph.avals[number].shape
    if given == shape or given == ():
        return source
    params = {"broadcast_dimensions": list(range(len(shape)))}
    return lowering.node("broadcast_in_dim", [source], shape, params, lowering.new())


def _cast(equation, lowering):
    source, target = equation.inputs[0], equation.outputs[0]
    before, after = (jnp.dtype(lowering.graph.avals[n].dtype) for n in (source, target))
    if jnp.issubdtype(before, jnp.floating) and jnp.issubdtype(after, jnp.floating):
        if before == after:
            lowering.alias[target] = source
        else:  # the identity over the reals; an execution rounds there
            shape, params = (
                lowering.graph.avals[target].shape,
                {"new_dtype": str(after)},
            )
            inputs = [lowering.operand(source)]
            lowering.node("convert_element_type", inputs, shape, params, target)
        return None
    return f"a cast from {before} to {after}"


def _used(lowering, outputs) -> tuple[set, list]:
    """The values that the outputs need, and the nodes, in order."""
    used, nodes = set(outputs), []
    for node in reversed(lowering.nodes):
        if node["out"] in used:
            used.update(node["in"])
            nodes.append(node)
    return used | set(lowering.graph.inputs), nodes[::-1]


def _renumbered(graph, lowering, outputs, sets, used, nodes):
    """Values numbered in the order inputs, constants, nodes: nothing left of our own
    numbers."""
    order = [n for n in graph.inputs if n in sets]
    constants = [n for n in lowering.constants if n in used]
    number = {
        n: k for k, n in enumerate([*order, *constants, *(v["out"] for v in nodes)])
    }
    pieces = {
        "inputs": [
            {
                "value": number[n],
                "shape": list(graph.avals[n].shape),
                "dtype": str(jnp.dtype(graph.avals[n].dtype)),
            }
            for n in order
        ],
        "constants": [
            {"value": number[n], "array": lowering.constants[n]} for n in constants
        ],
        "nodes": [
            {**v, "in": [number[i] for i in v["in"]], "out": number[v["out"]]}
            for v in nodes
        ],
        "outputs": [number[n] for n in outputs],
    }
    return pieces, number
