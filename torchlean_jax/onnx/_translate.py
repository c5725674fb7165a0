"""One node at a time: from its place in the file to a call of its rule.

A tensor whose numbers are known while the network is traced (a shape, and what is
computed from shapes) is computed there, in NumPy, so that JAX sees static shapes.
Floating-point arithmetic is nevertheless left in the program as well: computed here it
would be rounded, and the network would be another one.
"""

import functools
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from torchlean_jax.domains._errors import FileFormatError, MissingOperatorError
from torchlean_jax.onnx._file import Program, ProgramNode
from torchlean_jax.onnx._operators import (
    MOST_ELEMENTS,
    TABLE,
    Node,
    Operator,
    UnsupportedError,
    is_floating,
)


@dataclass
class Value:
    """A tensor: as JAX computes it, and its numbers if they are known.

    array: what JAX computes; None for a known tensor that nobody has asked for.
    rounded: whether `known` was computed from floating-point numbers: shapes may depend
        on it, as in every other runtime, but results must not.
    compute: what JAX would compute then, for those who ask.
    """

    array: Any
    known: np.ndarray | None
    rounded: bool = False
    compute: Callable[[], Any] | None = None

    def staged(self):
        if self.array is None:
            assert self.known is not None
            self.array = self.compute() if self.compute else _narrowed(self.known)
        return self.array


def _narrowed(array: np.ndarray):
    """A known array for JAX: 64-bit integers lose no digit where they become 32-bit."""
    dtype = jax.dtypes.canonicalize_dtype(array.dtype)
    if jnp.issubdtype(array.dtype, jnp.floating) and dtype != array.dtype:
        raise UnsupportedError(f"{array.dtype} needs 64-bit types (jax.enable_x64)")
    if dtype != array.dtype and array.size:
        limits = jnp.iinfo(dtype)
        if array.min() < limits.min or array.max() > limits.max:
            raise UnsupportedError(
                f"integers beyond {dtype} need 64-bit types (jax.enable_x64)"
            )
    return jnp.asarray(array.astype(dtype))


@dataclass(frozen=True)
class Step:
    """A node with its rule."""

    label: str
    op_type: str
    operator: Operator
    version: int
    attributes: dict[str, Any]
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]


def steps_of(source: Program, onnx) -> list[Step]:
    """The nodes with their rules.

    Raises MissingOperatorError for all that have none, FileFormatError for one with too
    few inputs.
    """
    missing: dict[str, list[str]] = {}
    steps = []
    for node in source.nodes:
        found = _find(node, onnx)
        if isinstance(found, str):
            missing.setdefault(found, []).append(node.label)
            continue
        operator, schema = found
        if not (
            schema.min_input <= len(node.inputs) <= schema.max_input
            and schema.min_output <= len(node.outputs) <= schema.max_output
        ):
            raise FileFormatError(
                f"node {node.label!r} ({node.op_type}) has {len(node.inputs)} inputs "
                f"and {len(node.outputs)} outputs"
            )
        steps.append(
            Step(
                node.label,
                node.op_type,
                operator,
                schema.since_version,
                node.attributes,
                node.inputs,
                node.outputs,
            )
        )
    if missing:
        count = sum(map(len, missing.values()))
        lines = [
            f"  {what:<28} {', '.join(labels[:4])}{_more(labels)}"
            for what, labels in sorted(missing.items())
        ]
        raise MissingOperatorError(
            f"{count} of {len(source.nodes)} nodes have no translation\n\n"
            + "\n".join(lines)
            + "\n\nExport the network without them, or write those parts in JAX."
        )
    return steps


def _more(labels):
    return f" and {len(labels) - 4} more" if len(labels) > 4 else ""


def _find(node: ProgramNode, onnx):
    """(operator, schema), or what is missing."""
    if node.domain:
        return f"{node.domain}.{node.op_type}"
    operator = TABLE.get(node.op_type)
    if operator is None:
        return node.op_type
    try:
        schema = onnx.defs.get_schema(node.op_type, node.opset, "")
    except onnx.defs.SchemaError:
        return f"{node.op_type} (not in operator set {node.opset})"
    if schema.since_version not in operator.versions or schema.deprecated:
        return f"{node.op_type} (as of operator set {schema.since_version})"
    return operator, schema


def apply(step: Step, values: dict[str, Value]) -> None:
    """Compute the outputs of a node and put them beside its inputs in `values`."""
    operands = [values[name] if name else None for name in step.inputs]
    node = Node(
        step.label, step.op_type, step.version, step.attributes, len(step.outputs)
    )
    folded = _folded(step, replace(node, xp=np), operands)
    rounded = any(v is not None and v.rounded for v in operands)

    @functools.cache
    def staged():
        return _as_tuple(step.operator.rule(node, *_arguments(step, operands)))

    if folded is not None and not any(map(is_floating, folded)):
        results = [
            Value(None, array, rounded, functools.partial(_nth, staged, i))
            if rounded
            else Value(None, array)
            for i, array in enumerate(folded)
        ]
    else:
        known = folded or [a if isinstance(a, np.ndarray) else None for a in staged()]
        results = [
            Value(None if isinstance(a, np.ndarray) else _checked(a), k, bool(folded))
            for a, k in zip(staged(), known, strict=True)
        ]
        if node.unasked():
            raise UnsupportedError(f"attributes {', '.join(node.unasked())}")
    for name, result in zip(step.outputs, _enough(step, results), strict=False):
        if name:
            values[name] = result


def _nth(results, place):
    return results()[place]


def _enough(step, results):
    wanted = max((i + 1 for i, name in enumerate(step.outputs) if name), default=0)
    if wanted > len(results):
        raise UnsupportedError(f"its output number {wanted}")
    return results


def _arguments(step: Step, operands):
    """Operands as the rule wants them: static ones in NumPy, the others in JAX."""
    arguments = []
    for i, value in enumerate(operands):
        if value is None:
            arguments.append(None)
        elif i in step.operator.static:
            if value.known is None:
                raise UnsupportedError(
                    f"its input {step.inputs[i]!r} depends on the network's inputs, "
                    "and shapes must not"
                )
            arguments.append(value.known)
        elif i in step.operator.fixed and _is_certain(value):
            arguments.append(value.known)
        else:
            arguments.append(value.staged())
    return arguments


def _is_certain(value: Value) -> bool:
    known = value.known
    return known is not None and not (value.rounded and is_floating(known))


def _folded(step: Step, node: Node, operands):
    """The results in NumPy, or None if they are not known or too large to be shapes."""
    if not step.operator.foldable:
        return None
    known = [None if v is None else v.known for v in operands]
    if any(v is not None and k is None for v, k in zip(operands, known, strict=True)):
        return None
    arrays = [k for k in known if k is not None]
    if any(k.size > _MOST_FOLDED_INPUT for k in arrays):
        return None
    with np.errstate(all="ignore"):
        results = _as_tuple(step.operator.rule(node, *known))
    if node.unasked():
        raise UnsupportedError(f"attributes {', '.join(node.unasked())}")
    return [np.asarray(r) for r in results]


# beyond, a constant is a weight and not a shape
_MOST_FOLDED_INPUT = 2**16


def _as_tuple(results):
    return results if isinstance(results, tuple) else (results,)


def _checked(array):
    if array.size > MOST_ELEMENTS:
        raise FileFormatError(f"a result of shape {list(array.shape)} is too large")
    return array
