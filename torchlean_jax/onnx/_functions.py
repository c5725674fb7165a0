"""Functions that a file defines for itself, put in the place of their calls."""

from typing import Any

from torchlean_jax.domains._errors import FileFormatError


def inlined(model, onnx, most: int) -> Any:
    """`model` without functions of its own.

    Raises FileFormatError if one calls itself, or if there would be more than `most`
    nodes: twenty functions that each call the next one ten times are a small file.
    """
    if not model.functions:
        return model
    bodies: dict[tuple[str, str], Any] = {}
    for function in model.functions:
        key = function.domain, function.name
        if key in bodies:
            raise FileFormatError(f"function {function.name!r} is defined twice")
        bodies[key] = function.node
    sizes: dict[tuple[str, str], int] = {}
    for key in bodies:
        _measure(key, bodies, sizes)
    total = sum(sizes.get((n.domain, n.op_type), 1) for n in model.graph.node)
    if total > most:
        raise FileFormatError(f"{total} nodes once functions are inlined")
    from onnx import inliner

    try:
        return inliner.inline_local_functions(model)
    except Exception as error:  # whatever the library raises on a malformed function
        raise FileFormatError(f"functions cannot be inlined: {error}") from error


def _measure(start, bodies, sizes) -> None:
    """Fill `sizes`: how many nodes a call becomes. Iterative, as chains can be long."""
    path, stack = [], [start]
    while stack:
        key = stack[-1]
        if key in sizes:
            stack.pop()
            continue
        calls = {(n.domain, n.op_type) for n in bodies[key]} & bodies.keys()
        pending = [c for c in calls if c not in sizes]
        if path and path[-1] == key:
            path.pop()
            stack.pop()
            sizes[key] = sum(sizes.get((n.domain, n.op_type), 1) for n in bodies[key])
            continue
        path.append(key)
        if any(c in path for c in pending):
            raise FileFormatError(f"function {key[1]!r} calls itself")
        stack.extend(pending)
