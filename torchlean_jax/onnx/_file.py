"""From bytes that nobody vouches for to a program: nodes in order, constants, inputs.

Nothing is executed here, and no length in the file is believed. Which operators exist
is in `_operators`; what becomes of a node that has no translation, in `_translate`.
"""

import gzip
import heapq
import os
import zlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from torchlean_jax.domains._errors import FileFormatError
from torchlean_jax.onnx._functions import inlined
from torchlean_jax.onnx._operators import UnsupportedError
from torchlean_jax.onnx._tensors import dtype_of_code, to_array

MOST_BYTES = 2**31  # a message of protocol buffers cannot be longer
MOST_NODES = 2**20


@dataclass(frozen=True)
class Declared:
    """An input as the file declares it; a size that is not fixed is a name or None."""

    name: str
    dtype: np.dtype
    shape: tuple[int | str | None, ...] | None


@dataclass(frozen=True)
class ProgramNode:
    """opset: the version of the operator set that the file asks for, 0 if it asks for
    none."""

    label: str
    op_type: str
    domain: str
    opset: int
    attributes: dict[str, Any]
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]


@dataclass
class Program:
    """A network in single assignment: every name has one source, before its uses.

    literals: the constants that stand in the graph as nodes.
    """

    inputs: list[Declared]
    outputs: list[str]
    nodes: list[ProgramNode]
    constants: dict[str, np.ndarray] = field(default_factory=dict)
    literals: set[str] = field(default_factory=set)


def read_bytes(path: os.PathLike | str) -> bytes:
    """The content of a file, unpacked if it ends in .gz, at most `MOST_BYTES` of it."""
    path = Path(path)
    unpacked = gzip.open if path.suffix == ".gz" else open
    try:
        with unpacked(path, "rb") as stream:
            content = stream.read(MOST_BYTES + 1)
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise FileFormatError(f"{path}: not a complete gzip file: {error}") from error
    except MemoryError as error:
        raise FileFormatError(f"{path}: too large for the memory at hand") from error
    if len(content) > MOST_BYTES:
        raise FileFormatError(f"{path}: more than {MOST_BYTES} bytes")
    return content


def parse(content: bytes, onnx) -> Any:
    """The ModelProto in `content`. onnx: the package."""
    from google.protobuf.message import DecodeError

    model = onnx.ModelProto()
    try:
        model.ParseFromString(content)
    except DecodeError as error:
        raise FileFormatError(f"not an ONNX file, or a damaged one: {error}") from error
    if not model.HasField("graph") or not model.graph.output:
        raise FileFormatError("an ONNX file without a network, perhaps cut short")
    return model


def program(model, folder: Path | None, onnx) -> Program:
    """The network of a ModelProto; `folder` may hold tensors that it refers to."""
    opsets = _opsets(model, onnx)
    model = inlined(model, onnx, MOST_NODES)
    graph = model.graph
    if len(graph.node) > MOST_NODES:
        raise FileFormatError(f"{len(graph.node)} nodes, more than {MOST_NODES}")
    if graph.sparse_initializer:
        raise FileFormatError("sparse initializers are not read; store them dense")
    constants: dict[str, np.ndarray] = {}
    for tensor in graph.initializer:
        _name_once(constants, tensor.name, "initializer")
        constants[tensor.name] = _array(tensor, folder)
    inputs = [_declared(v) for v in graph.input if v.name not in constants]
    nodes, literals = [], set()
    for index, proto in enumerate(graph.node):
        node = _node(proto, index, opsets, folder, onnx)
        if node.op_type == "Constant" and node.domain == "":
            (name,) = node.outputs
            _name_once(constants, name, "constant")
            constants[name] = _constant(node)
            literals.add(name)
        else:
            nodes.append(node)
    outputs = [v.name for v in graph.output]
    _require_text(*outputs, graph.name)
    nodes = _ordered(nodes, {*constants, *(v.name for v in inputs)}, outputs)
    return Program(inputs, outputs, nodes, constants, literals)


def _opsets(model, onnx) -> dict[str, int]:
    found = {}
    for entry in model.opset_import:
        domain = "" if entry.domain == "ai.onnx" else entry.domain
        _name_once(found, domain, "operator set")
        found[domain] = entry.version
    newest = onnx.defs.onnx_opset_version()
    version = found.get("", 0)
    if model.graph.node and not found:
        raise FileFormatError("the file does not say which operator set it uses")
    if not 0 <= version <= newest:
        raise FileFormatError(
            f"operator set {version}; the installed onnx package knows 1 to {newest}. "
            "Install a newer one, or export to an older set"
        )
    return found


def _name_once(names, name, what):
    _require_text(name)
    if name in names:
        raise FileFormatError(f"{what} {name!r} is defined twice")


def _require_text(*words):
    """What is not UTF-8 comes out of the parser as bytes."""
    for word in words:
        if not isinstance(word, str):
            raise FileFormatError(f"a name that is not text: {word!r}")


def _array(tensor, folder):
    try:
        return to_array(tensor, folder)
    except UnsupportedError as error:
        raise FileFormatError(f"initializer {tensor.name!r}: {error}") from error


def _declared(value) -> Declared:
    _require_text(value.name)
    if not value.type.HasField("tensor_type"):
        raise FileFormatError(f"input {value.name!r} is no tensor")
    kind = value.type.tensor_type
    try:
        dtype = dtype_of_code(kind.elem_type)
    except UnsupportedError as error:
        raise FileFormatError(f"input {value.name!r}: {error}") from error
    if not kind.HasField("shape"):
        return Declared(value.name, dtype, None)
    sizes = []
    for dim in kind.shape.dim:
        _require_text(dim.dim_param)
        known = dim.HasField("dim_value")
        if known and dim.dim_value < 0:
            raise FileFormatError(f"input {value.name!r} has size {dim.dim_value}")
        sizes.append(dim.dim_value if known else dim.dim_param or None)
    return Declared(value.name, dtype, tuple(sizes))


def _node(proto, index, opsets, folder, onnx) -> ProgramNode:
    _require_text(proto.name, proto.op_type, proto.domain, *proto.input, *proto.output)
    domain = "" if proto.domain == "ai.onnx" else proto.domain
    label = proto.name or f"#{index}"
    attributes = {}
    for attribute in proto.attribute:
        _name_once(attributes, attribute.name, f"node {label!r}: attribute")
        attributes[attribute.name] = _attribute(attribute, folder, label, onnx)
    inputs = list(proto.input)
    while inputs and not inputs[-1]:  # an empty name at the end is an absent input
        inputs.pop()
    return ProgramNode(
        label,
        proto.op_type,
        domain,
        opsets.get(domain, 0),
        attributes,
        tuple(inputs),
        tuple(proto.output),
    )


def _attribute(attribute, folder, label, onnx):
    """As Python numbers, strings, lists of them, or arrays; anything else as it is."""
    kinds = onnx.AttributeProto
    try:
        if attribute.type == kinds.FLOAT:
            return attribute.f
        if attribute.type == kinds.INT:
            return attribute.i
        if attribute.type == kinds.STRING:
            return attribute.s.decode()
        if attribute.type == kinds.TENSOR:
            return to_array(attribute.t, folder)
        if attribute.type == kinds.FLOATS:
            return list(attribute.floats)
        if attribute.type == kinds.INTS:
            return list(attribute.ints)
        if attribute.type == kinds.STRINGS:
            return [s.decode() for s in attribute.strings]
    except (UnicodeDecodeError, UnsupportedError) as error:
        raise FileFormatError(f"node {label!r}, {attribute.name}: {error}") from error
    return attribute


_CONSTANTS = {
    "value": None,
    "value_float": np.float32,
    "value_floats": np.float32,
    "value_int": np.int64,
    "value_ints": np.int64,
}


def _constant(node) -> np.ndarray:
    if len(node.attributes) != 1 or len(node.outputs) != 1 or node.inputs:
        raise FileFormatError(f"node {node.label!r} (Constant) needs one value")
    ((name, value),) = node.attributes.items()
    if name not in _CONSTANTS:
        raise FileFormatError(f"node {node.label!r} (Constant): {name} is not read")
    return np.asarray(value, _CONSTANTS[name])


def _ordered(nodes, known, outputs) -> list[ProgramNode]:
    """The nodes, each after those it reads from; reports names without a source."""
    sources = {}
    for node in nodes:
        for name in filter(None, node.outputs):
            if name in sources or name in known:
                raise FileFormatError(
                    f"{name!r} has two sources; one is {node.label!r}"
                )
            sources[name] = node
    reads = {(name, f"node {n.label!r}") for n in nodes for name in n.inputs if name}
    reads |= {(name, "the outputs") for name in outputs}
    missing = sorted(r for r in reads if r[0] not in sources and r[0] not in known)
    if missing:
        listed = ", ".join(f"{name!r} (in {where})" for name, where in missing[:5])
        raise FileFormatError(f"names without a source: {listed}")
    return _sorted(nodes, sources)


def _sorted(nodes, sources) -> list[ProgramNode]:
    """Kahn's algorithm, which leaves a list that is in order as it is."""
    place = {id(node): i for i, node in enumerate(nodes)}
    readers: list[list[int]] = [[] for _ in nodes]
    waiting = []
    for i, node in enumerate(nodes):
        needed = {place[id(sources[name])] for name in node.inputs if name in sources}
        waiting.append(len(needed))
        for source in needed:
            readers[source].append(i)
    ready = [i for i, count in enumerate(waiting) if not count]
    order = []
    while ready:
        i = heapq.heappop(ready)
        order.append(nodes[i])
        for reader in readers[i]:
            waiting[reader] -= 1
            if not waiting[reader]:
                heapq.heappush(ready, reader)
    if len(order) < len(nodes):
        stuck = [n.label for n, count in zip(nodes, waiting, strict=True) if count]
        raise FileFormatError(f"nodes that wait for each other: {', '.join(stuck[:5])}")
    return order
