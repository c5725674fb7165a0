"""Certificates of verdicts: what was proved, on which graph, by which method."""

import functools
import os
from dataclasses import dataclass

import jax
import numpy as np

from torchlean_jax._problem import is_set, problem_of
from torchlean_jax.certificate import _format
from torchlean_jax.certificate._lowering import lower
from torchlean_jax.domains._errors import CertificateWriteError


@dataclass(frozen=True)
class Certificate:
    """Evidence that a property holds, as bytes that `torchlean-check` re-derives.

    `graph_digest` identifies the network with its parameters, on every JAX version.
    """

    bytes: bytes
    graph_digest: str

    def save(self, path: str | os.PathLike) -> None:
        """Write the certificate; readers see the old file or the whole new one."""
        _format.save(path, self.bytes)

    def __repr__(self) -> str:
        return f"Certificate({len(self.bytes)} bytes, graph {self.graph_digest[:12]})"


def certify(function, args, spec_tree, method: str) -> Certificate:
    """The certificate that `spec_tree` holds of `function` on the sets among `args`.

    spec_tree: nested {"all": [...]}, {"any": [...]}, {"rows": C, "offset": d}. method: the bound
    method that proved it. Raises CertificateWriteError, with the reason, for what the format
    cannot express.
    """
    graph, sets = graph_of(function, args)
    input_set = {
        "inputs": [
            {"value": k, "lo": np.asarray(x.lo), "hi": np.asarray(x.hi)}
            for k, x in enumerate(sets)
        ],
        "constraints": [],
    }
    leaf = {"method": _method(method), "refining": {}, "final": {}}
    try:
        blob = _format.pack(graph=graph, input_set=input_set, property=spec_tree, proof=[leaf])
    except ValueError as error:
        raise CertificateWriteError(str(error)) from error
    return Certificate(blob, _format.graph_digest(graph))


def graph_of(function, args):
    """(the graph of `function` as the format has it, the input sets in its order)."""
    leaves, tree = jax.tree.flatten((tuple(args), {}), is_leaf=is_set)
    task = problem_of(function).at(leaves, tree)
    numbers = list(zip(task.graph.inputs, leaves, strict=True))
    arrays = {n: x for n, x in numbers if not is_set(x)}
    lowered = _lowered(task) if not arrays else _lower(task, arrays)
    return lowered, [x for x in leaves if is_set(x)]


def _lower(task, arrays):
    sets = set(task.graph.inputs) - set(arrays)
    return lower(task.graph, arrays, sets)


@functools.lru_cache(maxsize=64)
def _lowered(task):
    """The graph of a task without concrete arguments: the same for each of its input sets."""
    return _lower(task, {})


def _method(method):
    if method not in ("ibp", "crown-ibp", "crown"):
        raise CertificateWriteError(f"the checker cannot replay the method {method!r} yet")
    return method
