"""`inspect`: what every node of a model holds, with the line of code that made it."""

import functools
import html
import operator
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from torchlean_jax._linear_forms import LinearForms
from torchlean_jax._linear_forms import linear_forms as linear_forms_of
from torchlean_jax._problem import is_set
from torchlean_jax._trace import as_function, trace
from torchlean_jax.domains._domain import Domain
from torchlean_jax.domains._errors import InputError
from torchlean_jax.domains.interval import Interval
from torchlean_jax.domains.interval._exact import is_tracer
from torchlean_jax.interpreters._forward import apply
from torchlean_jax.interpreters._graph import Graph, flatten
from torchlean_jax.interpreters._jaxpr import operation
from torchlean_jax.interpreters._missing import require_rules


@dataclass(frozen=True)
class Node:
    """One value of the flat graph.

    id: its number, the same that bounds, explanations and the order of certificates
    use.
    source: (file, line, text) of the user's code, or None. value: an array, or a value
    of the domain. gradient: of the sum of all outputs with respect to this value;
    forms: linear functions of the inputs around it; None where not asked for.
    """

    id: int
    primitive: str
    inputs: tuple[int, ...]
    shape: tuple[int, ...]
    dtype: Any
    source: tuple[str, int, str] | None
    value: Any
    gradient: Any = None
    forms: LinearForms | None = None

    @property
    def place(self) -> str:
        """`file:line`, or an empty string."""
        if self.source is None:
            return ""
        return f"{self.source[0].rsplit('/', 1)[-1]}:{self.source[1]}"


@dataclass(frozen=True)
class Inspection:
    """The nodes of a model in the order in which they are computed.

    `str` gives a table, `html()` a page fragment, `graphviz()` the graph in DOT.
    """

    nodes: tuple[Node, ...]
    outputs: tuple[int, ...]

    def __getitem__(self, number: int) -> Node:
        for node in self.nodes:
            if node.id == number:
                return node
        raise KeyError(f"no node {number}; there are {len(self.nodes)}")

    def __iter__(self):
        return iter(self.nodes)

    def __len__(self) -> int:
        return len(self.nodes)

    def __str__(self) -> str:
        rows = [_cells(node) for node in self.nodes]
        widths = [max(map(len, column)) for column in zip(_HEADER, *rows, strict=True)]
        lines = [_HEADER, *rows]
        padded = (
            "  ".join(c.ljust(w) for c, w in zip(line, widths, strict=True))
            for line in lines
        )
        return "\n".join(line.rstrip() for line in padded)

    def html(self) -> str:
        """A table for a notebook or a page; nothing in it is executed."""
        head = "".join(f"<th>{html.escape(c)}</th>" for c in _HEADER)
        body = "".join(
            "<tr>" + "".join(f"<td>{html.escape(c)}</td>" for c in _cells(n)) + "</tr>"
            for n in self.nodes
        )
        return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"

    def _repr_html_(self) -> str:
        return self.html()

    def graphviz(self) -> str:
        """The graph in the DOT language: render it with any Graphviz."""
        lines = [
            "digraph model {",
            "  rankdir=TB; node [shape=box, fontname=monospace];",
        ]
        for node in self.nodes:
            number, primitive, _, shape, value, _, where = _cells(node)
            label = "\\n".join(
                _dot_text(t)
                for t in (f"{number} {primitive}", shape, value, where)
                if t
            )
            bold = ", penwidth=2" if node.id in self.outputs else ""
            lines.append(f'  n{node.id} [label="{label}"{bold}];')
            lines += [
                f"  n{source} -> n{node.id};" for source in dict.fromkeys(node.inputs)
            ]
        return "\n".join([*lines, "}"])


def inspect(
    model,
    *,
    domain: Domain | None = None,
    gradients: bool = False,
    linear_forms: Any = False,
):
    """Every node of `model` at some arguments: number, primitive, source line, value.

    Returns a function of the model's arguments that returns an Inspection. With a
    `domain`, arguments that are its values run over it (boxes with `tl.Interval`), as
    in `tl.interpret`; without, all values are the arrays that JAX computes, equation by
    equation. gradients: also the derivative of the sum of the floating outputs with
    respect to each node (arrays only). linear_forms: True, or the numbers of the nodes
    that matter: also linear functions of the inputs below and above each floating node,
    from back-substitution as in `tl.bounds` with the method crown (boxes, with
    `domain=tl.Interval`). Each costs a backward pass with two rows for each element.

    Raises InputError if gradients are asked for over a domain or linear forms without
    boxes, and MissingRuleError for what the domain cannot pass.

    >>> import torchlean_jax as tl
    >>> report = tl.inspect(lambda x: x * x + 1, domain=tl.Interval)(tl.box(1.0, 2.0))
    >>> [node.primitive for node in report if node.inputs]
    ['mul', 'add']
    """
    if gradients and domain is not None:
        raise InputError("gradients are numbers: ask for them without a domain")
    if linear_forms and domain is not Interval:
        raise InputError("linear forms are about boxes: say domain=tl.Interval")
    wanted = _wanted(linear_forms)
    function = as_function(model)

    @functools.wraps(function, updated=())
    def inspected(*args, **kwargs):
        is_value = domain.is_value if domain is not None else is_set
        leaves = jax.tree.leaves((args, kwargs), is_leaf=is_value)
        if domain is None and any(map(is_set, leaves)):
            raise InputError("these arguments are boxes: say domain=tl.Interval")
        traced = trace(function, args, kwargs, is_value)
        graph = flatten(traced.jaxpr, traced.consts)
        forms = {}
        if domain is None:
            values = _arrays(graph, leaves, {})
            slopes = _gradients(graph, leaves, values) if gradients else {}
        else:
            abstract = [is_value(leaf) for leaf in leaves]
            name = getattr(function, "__name__", type(function).__name__)
            require_rules(traced.jaxpr, abstract, domain, what=f"`{name}`")
            values, slopes = _over(graph, leaves, domain), {}
            if linear_forms:
                forms = _forms(graph, leaves, wanted)
        nodes = _nodes(graph, values, slopes, forms)
        return Inspection(nodes, tuple(graph.outputs))

    return inspected


def _wanted(linear_forms):
    """Which nodes have their forms computed."""
    if isinstance(linear_forms, bool):
        return lambda number: linear_forms
    try:
        numbers = frozenset(map(operator.index, linear_forms))
    except TypeError as error:
        raise InputError(
            f"linear_forms is True, False or numbers of nodes; got {linear_forms!r}"
        ) from error
    return numbers.__contains__


def _forms(graph: Graph, leaves, wanted):
    if not any(Interval.is_value(leaf) for leaf in leaves):
        raise InputError("linear forms need an argument that is a box")
    if is_tracer(*jax.tree.leaves(leaves)):
        raise InputError("linear forms take concrete arguments: call it outside of jit")
    return linear_forms_of(graph, leaves, wanted)


def _over(graph: Graph, leaves, domain):
    values = dict(graph.constants)
    lifted = [domain.lift(x) if domain.is_value(x) else x for x in leaves]
    values.update(zip(graph.inputs, lifted, strict=True))
    for equation in graph.equations:
        operands = [values[i] for i in equation.inputs]
        outputs = apply(equation.eqn, operands, domain)
        values.update(zip(equation.outputs, outputs, strict=True))
    return values


def _arrays(graph: Graph, leaves, shifts):
    """All values as JAX computes them, each with its entry of `shifts` added."""
    values = dict(graph.constants)

    def put(number, value):
        values[number] = value + shifts[number] if number in shifts else value

    for number, leaf in zip(graph.inputs, leaves, strict=True):
        put(number, jnp.asarray(leaf))
    for equation in graph.equations:
        operands = [values[i] for i in equation.inputs]
        outputs = operation(equation.eqn)(*operands)
        if not equation.eqn.primitive.multiple_results:
            outputs = [outputs]
        for number, output in zip(equation.outputs, outputs, strict=True):
            put(number, output)
    return values


def _gradients(graph, leaves, values):
    """d(sum of outputs) / d(value), as the derivative in a shift of each value."""
    at = [*graph.inputs, *(o for eq in graph.equations for o in eq.outputs)]
    shifts = {
        n: jnp.zeros_like(values[n])
        for n in at
        if jnp.issubdtype(values[n].dtype, jnp.floating)
    }

    def total(shifts):
        shifted = _arrays(graph, leaves, shifts)
        outputs = [shifted[n] for n in graph.outputs]
        floating = [y for y in outputs if jnp.issubdtype(y.dtype, jnp.floating)]
        return sum((jnp.sum(y) for y in floating), jnp.zeros(()))

    return jax.grad(total)(shifts)


def _nodes(graph, values, slopes, forms):
    def node(number, primitive, inputs, source):
        aval = graph.avals[number]
        return Node(
            number,
            primitive,
            inputs,
            aval.shape,
            aval.dtype,
            source,
            values[number],
            slopes.get(number),
            forms.get(number),
        )

    used = {i for eq in graph.equations for i in eq.inputs} | set(graph.outputs)
    first = [node(n, "input", (), None) for n in graph.inputs]
    first += [node(n, "constant", (), None) for n in graph.constants if n in used]
    rest = [
        node(number, equation.name, equation.inputs, equation.source)
        for equation in graph.equations
        for number in equation.outputs
    ]
    return (*first, *rest)


_HEADER = ("node", "primitive", "from", "shape", "value", "gradient", "source")


def _cells(node: Node) -> tuple[str, ...]:
    shape = f"{np.dtype(node.dtype).name}[{','.join(map(str, node.shape))}]"
    source = f"{node.place}   {node.source[2]}" if node.source else ""
    return (
        str(node.id),
        node.primitive,
        " ".join(map(str, node.inputs)),
        shape,
        _brief(node.value),
        "" if node.gradient is None else _brief(node.gradient),
        source,
    )


def _brief(value) -> str:
    if hasattr(value, "lo"):
        return f"[{_range(value.lo, np.min)}, {_range(value.hi, np.max)}]"
    array = np.asarray(value)
    if array.size == 1:
        return (
            f"{array.reshape(())[()]:.6g}" if array.dtype != bool else str(bool(array))
        )
    return f"{_range(array, np.min)} .. {_range(array, np.max)}"


def _range(array, choose) -> str:
    array = np.asarray(array)
    return f"{choose(array):.6g}" if array.size else "-"


def _dot_text(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"')
