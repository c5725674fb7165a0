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
from torchlean_jax.coq._reading import Held, Reading, read
from torchlean_jax.coq._run import CoqError

FORMATS = {"float16": "binary16", "float32": "binary32", "float64": "binary64"}
GRAPH = "graph"
CONSTANT = "constant "


def digests(name: str, blob: bytes) -> dict[str, str]:
    """SHA-256 of the graph of a certificate and of the arrays of its statement, as the
    theorem `holds_NAME` prints them: "graph", "constant 3", "c0 lower 0", "c0 rows"."""
    reading = read(blob)
    named = {_label(name, k): held.sha256 for k, held in reading.held.items()}
    return {GRAPH: reading.digest} | named


def compare(found: Mapping[str, str], certificates: Mapping[str, bytes]) -> int:
    """Refuse what Coq printed if it does not fit the certificates, by theorem.

    Returns: how many arrays the statements have together, those of the graph once.
    Raises: CoqError, naming what differs, or that Coq printed none of the graph.
    """
    if GRAPH not in found:
        raise CoqError("the theorem's file prints no digest of its graph")
    expected: dict[str, str] = {}
    for name, blob in certificates.items():
        one = digests(name, blob)
        if expected.get(GRAPH, one[GRAPH]) != one[GRAPH]:
            raise CoqError("certificates of one file need one graph")
        expected |= one
    wrong = [name for name in found if expected.get(name) != found[name]]
    if wrong:
        names = ", ".join(sorted(wrong))
        raise CoqError(f"Coq computed other digests than the certificate's: {names}")
    return len(expected) - 1


def graph_digests(reading: Reading, core: Core) -> str:
    """Commands that print the digest of the graph and of the arrays that it holds."""
    text = reading.text.decode("ascii").replace('"', '""')
    lines = [f'Definition text : string := "{text}"%string.']
    lines.append(_command(GRAPH, "Digest.of_text text"))
    places = list(_places(core))
    for name, held in reading.held.items():
        if name.startswith(CONSTANT):
            found = next((term for term, a in places if _same(a, held)), None)
            if found is not None:
                lines.append(_array(name, held, f"Digest.{found} network"))
    return "\n".join(lines) + "\n"


def statement_digests(reading: Reading, name: str) -> str:
    """Commands that print the digests of arrays of the box and of the property."""
    places, last = {}, len(reading.program.inputs) - 1
    for k, x in enumerate(reading.program.inputs):
        box = reading.region.boxes[x.id]
        for word, side in (("lower", box.lo), ("upper", box.hi)):
            term = f"Digest.{word} {last - k}%nat box_{name}"
            places[f"{word} {k}"] = term, floats(side, box.exp)
    if isinstance(reading.root, range) and len(reading.program.outputs) == 1:
        rows = [reading.formula.rows[k] for k in reading.root]
        entries = np.concatenate([floats(c, exp) for c, exp, _, _ in rows])
        offsets = np.concatenate([floats([d], exp) for _, _, d, exp in rows])
        places["rows"] = f"Digest.rows_of_property property_{name}", entries
        places["offset"] = f"Digest.offsets property_{name}", offsets
    lines = [
        _array(_label(name, k), reading.held[k], term)
        for k, (term, array) in places.items()
        if k in reading.held and _same(array, reading.held[k])
    ]
    return "".join(line + "\n" for line in lines)


def _label(name: str, array: str) -> str:
    return array if array.startswith(CONSTANT) else f"{name} {array}"


def _array(label: str, held: Held, term: str) -> str:
    return _command(label, f"Digest.of_numbers Digest.{FORMATS[held.dtype]} ({term})")


def _command(name: str, term: str) -> str:
    return f'Eval vm_compute in ("{name}"%string, {term}).'


def _same(array: np.ndarray, held: Held) -> bool:
    """Whether these numbers have these bytes; -0 is not the theorem's 0."""
    if held.dtype not in FORMATS:
        return False
    dtype = np.dtype(held.dtype)
    if array.size * dtype.itemsize != len(held.raw):
        return False
    with np.errstate(over="ignore"):
        return array.astype(dtype).tobytes() == held.raw


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
