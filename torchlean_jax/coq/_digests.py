"""The digests by which a theorem and a certificate are compared.

Coq computes SHA-256 itself (proofs/Sha256.v): of the text of the certificate's graph,
which names its arrays by their SHA-256; and of the arrays whose numbers stand in the
theorem's graph as they are, from these very numbers (proofs/Digest.v). What it prints
has to be what the certificate says.
"""

from collections.abc import Iterator, Mapping

import numpy as np

from torchlean_jax.coq._core import Core
from torchlean_jax.coq._evidence import dense, floats
from torchlean_jax.coq._reading import Constant, Reading, read
from torchlean_jax.coq._run import CoqError

FORMATS = {"float16": "binary16", "float32": "binary32", "float64": "binary64"}
GRAPH = "graph"


def digests(blob: bytes) -> dict[str, str]:
    """SHA-256 of the graph of a certificate and of each of its arrays, by name."""
    reading = read(blob)
    named = {_name(c): c.sha256 for c in reading.constants}
    return {GRAPH: reading.digest} | named


def compare(found: Mapping[str, str], certificate: Mapping[str, str]) -> None:
    """Refuse what Coq printed if it is not what `digests` gave for the certificate.

    Raises: CoqError, naming what differs, or that Coq printed none of the graph.
    """
    if GRAPH not in found:
        raise CoqError("the theorem's file prints no digest of its graph")
    wrong = [name for name in found if certificate.get(name) != found[name]]
    if wrong:
        names = ", ".join(sorted(wrong))
        raise CoqError(f"Coq computed other digests than the certificate's: {names}")


def digest_text(reading: Reading, core: Core) -> str:
    """Commands that print the digest of the graph and of the arrays that it holds."""
    text = reading.text.decode("ascii").replace('"', '""')
    lines = [f'Definition text : string := "{text}"%string.']
    lines.append(_command(GRAPH, "Digest.of_text text"))
    places = list(_places(core))
    for constant in reading.constants:
        if constant.dtype in FORMATS:
            found = next((p for p, a in places if _same(a, constant)), None)
            if found is not None:
                format_ = f"Digest.{FORMATS[constant.dtype]}"
                call = f"Digest.of_numbers {format_} (Digest.{found} network)"
                lines.append(_command(_name(constant), call))
    return "\n".join(lines) + "\n"


def _command(name: str, term: str) -> str:
    return f'Eval vm_compute in ("{name}"%string, {term}).'


def _name(constant: Constant) -> str:
    return f"array {constant.value}"


def _same(array: np.ndarray, constant: Constant) -> bool:
    """Whether these numbers have these bytes; -0 is not the theorem's 0."""
    width = np.dtype(constant.dtype).itemsize
    if array.size * width != len(constant.raw):
        return False
    with np.errstate(over="ignore"):
        return array.astype(np.dtype(constant.dtype)).tobytes() == constant.raw


def _places(core: Core) -> Iterator[tuple[str, np.ndarray]]:
    """Where numbers stand in the theorem's graph: the word of Digest.v, the numbers."""
    last = len(core.nodes) - 1
    for k, node in enumerate(core.nodes):
        a, behind = node.first, f"{last - k}%nat"
        if a.bias:
            yield f"biases {behind}", floats(a.bias, a.exp)
        if len({(value, m.kind == "times") for value, m in a.terms}) != 1:
            continue
        columns, parts = _columns(core, a.terms[0][0]), [m for _, m in a.terms]
        if all(m.kind == "times" for m in parts):
            factors = sum(floats(m.rows, m.exp) for m in parts)
            yield f"by_rows 0%nat {behind}", np.asarray(factors)
        elif all(m.kind in ("full", "gaps") for m in parts):
            rows = np.asarray(sum(dense(m, columns) for m in parts))
            yield f"by_rows {columns}%nat {behind}", rows
            yield f"by_columns {columns}%nat {behind}", rows.T


def _columns(core: Core, value: int) -> int:
    if value < core.inputs:
        return core.program.inputs[value].size
    return core.nodes[value - core.inputs].first.size
