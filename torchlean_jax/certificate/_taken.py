"""Equations that only move elements, in ways written as `take` of flat indices."""

import jax.numpy as jnp
import numpy as np


def take(equation, lowering):
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
