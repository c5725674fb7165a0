"""What onnxruntime says of a counterexample: a second opinion that nothing rests on."""

import math
from fractions import Fraction

import numpy as np


def returned(path, network, query, inputs) -> dict | None:
    """What the network returns at an exact input, rounded to its numbers, and whether
    that is unsafe; None without onnxruntime."""
    try:
        import onnxruntime
    except ModuleNotFoundError:
        return None
    from torchlean_jax.onnx._file import read_bytes

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    model = read_bytes(path) if path.suffix == ".gz" else str(path)
    flat, feeds, start = np.array([float(x) for x in inputs]), {}, 0
    for declared in network.inputs:
        shape = [n if isinstance(n, int) else 1 for n in declared.shape]
        part = flat[start : start + math.prod(shape)]
        feeds[declared.name] = part.astype(declared.dtype).reshape(shape)
        start += math.prod(shape)
    try:
        session = onnxruntime.InferenceSession(model, options, ["CPUExecutionProvider"])
        returned = session.run(None, feeds)
    except Exception as error:  # of types of its own, where it lacks a kernel
        return {"error": str(error).strip().partition("\n")[0]}
    outputs = np.concatenate([np.asarray(y).ravel() for y in returned])
    values = outputs.astype(np.float64).tolist()
    exact = [Fraction(y) if math.isfinite(y) else Fraction(0) for y in values]
    unsafe = all(map(math.isfinite, values)) and query.holds(inputs, exact)
    return {"outputs": values, "unsafe": unsafe}
