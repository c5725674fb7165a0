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

from torchlean_jax.domains._domain import Domain
from torchlean_jax.domains._errors import CertificateWriteError
from torchlean_jax.interpreters import _forward


def _nested(value):
    if isinstance(value, (tuple, list)):
        return [_nested(v) for v in value]
    return int(value)


def _window(p):
    fields = (
        "window_dimensions",
        "window_strides",
        "padding",
        "base_dilation",
        "window_dilation",
    )
    return {name: _nested(p[name]) for name in fields}


def _convolution(p):
    spec = p["dimension_numbers"]
    fields = ("window_strides", "padding", "lhs_dilation", "rhs_dilation")
    return {
        **{name: _nested(p[name]) for name in fields},
        "feature_group_count": int(p["feature_group_count"]),
        "batch_group_count": int(p["batch_group_count"]),
        "dimension_numbers": [
            list(spec.lhs_spec),
            list(spec.rhs_spec),
            list(spec.out_spec),
        ],
    }


_PARAMETERS = {
    "reshape": lambda p: {"new_sizes": list(p["new_sizes"])},
    "squeeze": lambda p: {"dimensions": list(p["dimensions"])},
    "transpose": lambda p: {"permutation": list(p["permutation"])},
    "broadcast_in_dim": lambda p: {
        "broadcast_dimensions": list(p["broadcast_dimensions"])
    },
    "rev": lambda p: {"dimensions": list(p["dimensions"])},
    "concatenate": lambda p: {"dimension": p["dimension"]},
    "pad": lambda p: {"padding_config": [list(c) for c in p["padding_config"]]},
    "reduce_sum": lambda p: {"axes": list(p["axes"])},
    "reduce_max": lambda p: {"axes": list(p["axes"])},
    "reduce_min": lambda p: {"axes": list(p["axes"])},
    "cumsum": lambda p: {"axis": p["axis"], "reverse": p["reverse"]},
    "dot_general": lambda p: {"dimension_numbers": _nested(p["dimension_numbers"])},
    "reduce_window_sum": _window,
    "reduce_window_max": _window,
    "conv_general_dilated": _convolution,
    "integer_pow": lambda p: {"y": p["y"]},
}
_PLAIN = frozenset(
    "add add_any sub neg mul div max min abs clamp select_n square exp log tanh "
    "logistic sqrt rsqrt erf sin cos log1p expm1 softplus".split()
)
_SAME = frozenset(
    "copy stop_gradient device_put optimization_barrier sharding_constraint "
    "name".split()
)
# Moves elements, in ways written as `take` of flat indices.
_TAKEN = frozenset(
    "split unstack stack tile expand_dims dynamic_slice dynamic_update_slice "
    "gather".split()
)


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
    fresh: int = 0

    def is_decided(self, number) -> bool:
        return not self.domain.is_value(self.values[number])

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

    def new(self) -> int:
        self.fresh += 1
        return self.fresh

    def operand(self, number) -> int:
        """The file's number of one of our values; concrete ones become constants."""
        while number in self.alias:
            number = self.alias[number]
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
    refused = []
    for equation in graph.equations:
        if not needed.intersection(equation.outputs):
            continue
        if all(map(lowering.is_decided, equation.outputs)):
            continue
        reason = _lower_equation(equation, lowering)
        if reason:
            where = (
                f" at {equation.source[0].rsplit('/', 1)[-1]}:{equation.source[1]}"
                if equation.source
                else ""
            )
            refused.append(f"{equation.name}{where}: {reason}")
    if refused:
        raise CertificateWriteError(
            "the certificate format has no word for "
            + "; ".join(dict.fromkeys(refused))
        )
    outputs = [lowering.operand(o) for o in graph.outputs]
    return _renumbered(graph, lowering, outputs, sets)


# Whole functions that the checker knows under their own name.
_WHOLES = {"call:softplus": "softplus"}


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
        values.update(zip(equation.outputs, outputs, strict=True))
    return values


def _needed(graph, values):
    needed = set(graph.outputs)
    for equation in reversed(graph.equations):
        if needed.intersection(equation.outputs):
            needed.update(equation.inputs)
    return needed


def _lower_equation(equation, lowering) -> str | None:
    name, params = _WHOLES.get(equation.name, equation.name), equation.operation.params
    shape = equation.eqn.outvars[0].aval.shape
    (out, *others) = equation.outputs
    if name in _SAME:
        for source, target in zip(equation.inputs, equation.outputs, strict=True):
            lowering.alias[target] = source
        return None
    if name == "convert_element_type":
        return _cast(equation, lowering)
    if name in _TAKEN:
        return _take(equation, lowering)
    if others:
        return "several results"
    if name == "call:leaky_relu":
        return _leaky(equation, lowering, shape)
    inputs = [lowering.operand(i) for i in equation.inputs]
    if name == "slice":
        strides = params["strides"] or [1] * len(shape)
        fields = {
            "start_indices": list(params["start_indices"]),
            "limit_indices": list(params["limit_indices"]),
            "strides": list(strides),
        }
    elif name in _PARAMETERS:
        fields = _PARAMETERS[name](params)
    elif name in _PLAIN:
        fields = {}
    else:
        return "no rule in the checker"
    if name == "select_n" and not lowering.is_decided(equation.inputs[0]):
        return "an undecided choice"
    if name in _PLAIN:
        inputs = [
            _stretched(i, n, shape, lowering)
            for i, n in zip(equation.inputs, inputs, strict=True)
        ]
    lowering.node(name, inputs, shape, fields, out)
    return None


def _leaky(equation, lowering, shape):
    """max(x, c x), which is what the checker knows leaky_relu as."""
    x = lowering.operand(equation.inputs[0])
    slope = np.float64(equation.operation.params["negative_slope"])
    steep = lowering.node(
        "mul", [x, lowering.constant(slope)], shape, {}, lowering.new()
    )
    lowering.node("max", [x, steep], shape, {}, equation.outputs[0])
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


def _take(equation, lowering):
    """Run the equation on flat indices instead of numbers, and write where each came
    from."""
    values = [lowering.values[i] for i in equation.inputs]
    moved = [
        k for k, i in enumerate(equation.inputs) if _is_float(lowering.graph.avals[i])
    ]
    places = [i for k, i in enumerate(equation.inputs) if k not in moved]
    if not all(map(lowering.is_decided, places)):
        return "an undecided index"
    starts, at = {}, 0
    for k in moved:
        starts[k] = at
        at += int(
            np.prod(lowering.graph.avals[equation.inputs[k]].shape, dtype=np.int64)
        )
    indices = [
        jnp.arange(starts[k], starts[k] + _size(lowering, i), dtype=jnp.int32).reshape(
            lowering.graph.avals[i].shape
        )
        if k in starts
        else values[k]
        for k, i in enumerate(equation.inputs)
    ]
    operation = equation.operation
    if "fill_value" in operation.all_params:
        if operation.params["fill_value"] not in (None, 0):
            return "a fill value"
        operation = operation.replace(fill_value=-1)
    results = operation(*indices)
    results = results if isinstance(results, (list, tuple)) else [results]
    whole = _flat(equation, moved, lowering)
    for out, index in zip(equation.outputs, results, strict=True):
        index = np.asarray(index)
        params = {"fill": 0.0} if (index < 0).any() else {}
        if params and equation.operation.all_params.get("fill_value") is None:
            return "a read out of range, which JAX fills with NaN"
        lowering.node(
            "take", [whole, lowering.constant(index)], index.shape, params, out
        )
    return None


def _flat(equation, moved, lowering):
    """The float operands of an equation, flattened and concatenated if there are
    several."""
    if len(moved) == 1:
        return lowering.operand(equation.inputs[moved[0]])
    parts, total = [], 0
    for k in moved:
        size = _size(lowering, equation.inputs[k])
        total += size
        source = lowering.operand(equation.inputs[k])
        parts.append(
            lowering.node(
                "reshape", [source], [size], {"new_sizes": [size]}, lowering.new()
            )
        )
    return lowering.node(
        "concatenate", parts, [total], {"dimension": 0}, lowering.new()
    )


def _size(lowering, number):
    return int(np.prod(lowering.graph.avals[number].shape, dtype=np.int64))


def _is_float(aval):
    return jnp.issubdtype(aval.dtype, jnp.floating)


def _renumbered(graph, lowering, outputs, sets):
    """Values numbered in the order inputs, constants, nodes: nothing left of our own
    numbers."""
    used = set(outputs)
    nodes = []
    for node in reversed(lowering.nodes):
        if node["out"] in used:
            used.update(node["in"])
            nodes.append(node)
    nodes.reverse()
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
