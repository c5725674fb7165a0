"""Certificates as bytes: the deterministic archive that docs/certificate.md describes.

`pack` takes the pieces of the manifest as plain Python values in which numpy arrays and
floats may stand wherever the format wants an array or a dyadic number; equal pieces
give equal bytes on every machine. What the pieces mean, and where they come from, is
not known here. The checker reads this format with code of its own.
"""

import hashlib
import io
import json
import os
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from struct import Struct
from typing import Any

import numpy as np

from torchlean_jax._files import replacing

VERSION = 1

_DTYPES = frozenset(
    ["float16", "bfloat16", "float32", "float64", "bool"]
    + [f"{sign}int{width}" for sign in ("", "u") for width in (8, 16, 32, 64)]
)

_ARRAY_FIELDS = frozenset(
    ("array", "lo", "hi", "center", "rows", "offset", "multipliers")
)


def pack(
    *,
    graph: Mapping[str, Any],
    input_set: Mapping[str, Any],
    property: Mapping[str, Any],
    proof: Iterable[Mapping[str, Any]],
    assumptions: Sequence[str] = (),
    error_model: Mapping[str, Any] | None = None,
) -> bytes:
    """The bytes of a certificate.

    Args: the fields of the manifest; with an error model, the claim is about executions
        under it, else about the reals. An array is a numpy array (or anything with
        `__array__`) of a float, integer or boolean dtype; a Python float stands for the
        dyadic number `[m, e]` that it is. The proof is gone through twice, case by
        case: what makes cases when asked for them needs no memory for all at once.
    Raises: TypeError for a value that the format cannot hold, ValueError for NaN and
        infinities.
    """
    table = _Arrays()
    manifest = {
        "format": "torchlean-certificate",
        "version": VERSION,
        "semantics": "real" if error_model is None else "fp32",
        "assumptions": list(assumptions),
        "graph_digest": graph_digest(graph),
        "graph": _plain(graph, table.name),
        "input_set": _plain(input_set, table.name),
        "property": _plain(property, table.name),
    }
    for case in proof:
        _plain(case, table.name)
    if error_model is not None:
        manifest["error_model"] = _plain(error_model, table.name)
    manifest["arrays"] = {name: _described(a) for name, a in table.arrays.items()}
    members = {f"arrays/{name}": [_raw(a)] for name, a in table.arrays.items()}
    cases = (_plain(case, table.name) for case in proof)
    return _archive(members | {"manifest.json": _with_proof(manifest, cases)})


def _with_proof(manifest: Mapping[str, Any], cases) -> Iterator[bytes]:
    """The canonical JSON of a manifest with its proof, piece by piece."""
    start = b"{"
    for key in sorted([*manifest, "proof"]):
        yield start + _canonical(key) + b":"
        start = b","
        if key != "proof":
            yield _canonical(manifest[key])
            continue
        yield b"["
        for k, case in enumerate(cases):
            yield (b"," if k else b"") + _canonical(case)
        yield b"]"
    yield b"}"


def graph_digest(graph: Mapping[str, Any]) -> str:
    """SHA-256 of the graph in canonical JSON, each array replaced by what it holds.

    Two graphs have the same digest exactly when they are the same graph with the same
    parameters, however their certificates number the arrays.
    """
    return hashlib.sha256(_canonical(_plain(graph, _described))).hexdigest()


def save(path: str | os.PathLike[str], blob: bytes) -> None:
    """Write a certificate in one step: readers see the old file or the new one."""
    with replacing(Path(path)) as temporary:
        temporary.write_bytes(blob)


class _Arrays:
    """Names for arrays in the order of their first use; equal arrays share one."""

    def __init__(self):
        self.arrays: dict[str, np.ndarray] = {}
        self._names: dict[tuple, str] = {}
        self._met: dict[int, tuple[np.ndarray, str]] = {}  # by id, kept alive

    def name(self, array: np.ndarray) -> str:
        if id(array) not in self._met:
            self._met[id(array)] = array, self._name(array)
        return self._met[id(array)][1]

    def _name(self, array: np.ndarray) -> str:
        key = (array.dtype.name, array.shape, hashlib.sha256(_raw(array)).digest())
        if key not in self._names:
            self._names[key] = str(len(self.arrays))
            self.arrays[self._names[key]] = array
        return self._names[key]


def _described(array: np.ndarray) -> dict[str, Any]:
    return {
        "dtype": array.dtype.name,
        "shape": list(array.shape),
        "sha256": hashlib.sha256(_raw(array)).hexdigest(),
    }


def _raw(array: np.ndarray) -> bytes:
    """C order, little-endian. bfloat16 knows no byte order: swap its 16-bit words."""
    words = np.ascontiguousarray(array)
    if words.dtype.name == "bfloat16":
        words = words.view(np.uint16)
    return words.astype(words.dtype.newbyteorder("<"), copy=False).tobytes()


def _plain(value, on_array, field: str = ""):
    """Plain JSON values; arrays become `on_array(array)`, floats dyadic pairs."""
    if isinstance(value, Mapping):
        arrays = "array" if field in ("refining", "final") else ""
        return {str(k): _plain(value[k], on_array, arrays or k) for k in sorted(value)}
    if field == "array" and isinstance(value, list):  # slopes of many leaves
        stack, row, places = value
        return [on_array(_checked(stack)), int(row), on_array(_checked(places))]
    if field in _ARRAY_FIELDS:  # a numpy scalar here is an array without axes
        return on_array(_checked(np.asarray(value)))
    if isinstance(value, list | tuple):
        return [_plain(v, on_array) for v in value]
    if isinstance(value, bool | np.bool_):
        return bool(value)
    if isinstance(value, int | np.integer):
        return int(value)
    if isinstance(value, float | np.floating):
        return dyadic(float(value))
    if isinstance(value, str):
        return value
    raise TypeError(f"{type(value).__name__} has no place in a certificate")


def _checked(array: np.ndarray) -> np.ndarray:
    if array.dtype.name not in _DTYPES:
        raise TypeError(f"arrays of dtype {array.dtype} have no place in a certificate")
    if array.dtype.kind not in "biu" and not np.isfinite(array).all():
        raise ValueError("an array holds NaN or infinity")
    return array


def dyadic(value: float) -> list[int]:
    """[m, e] with value == m * 2**e and m odd, or [0, 0]."""
    if not np.isfinite(value):
        raise ValueError(f"{value} is not a dyadic number")
    top, bottom = float(value).as_integer_ratio()
    if top == 0:
        return [0, 0]
    zeros = (top & -top).bit_length() - 1
    return [top >> zeros, zeros - (bottom.bit_length() - 1)]


def _canonical(value) -> bytes:
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return text.encode("ascii")


def _archive(members: Mapping[str, Iterable[bytes]]) -> bytes:
    """A zip archive with sorted members, stored, dated 1980-01-01, without extras.

    Written by hand because zipfile leaves fields that differ between its versions. A
    member comes in pieces; its header is written when its end is known.
    """
    archive, directory = io.BytesIO(), []
    for name in sorted(members):
        title, offset = name.encode("ascii"), archive.tell()
        archive.seek(offset + _HEADER.size + len(title))
        crc, size = 0, 0
        for piece in members[name]:
            crc, size = zlib.crc32(piece, crc), size + len(piece)
            archive.write(piece)
        archive.seek(offset)
        sizes = crc, size, size, len(title)
        header = _HEADER.pack(b"PK\3\4", 20, 0, 0, 0, 0x21, *sizes, 0)
        archive.write(header + title)
        archive.seek(0, io.SEEK_END)
        entry = (b"PK\1\2", 0x0314, 20, 0, 0, 0, 0x21, *sizes, 0, 0, 0, 0)
        directory.append(_ENTRY.pack(*entry, 0o100644 << 16, offset) + title)
    listing, offset = b"".join(directory), archive.tell()
    count = len(members)
    end = (b"PK\5\6", 0, 0, count, count, len(listing), offset, 0)
    archive.write(listing + _END.pack(*end))
    return archive.getvalue()


_HEADER, _ENTRY, _END = map(Struct, ("<4s5H3I2H", "<4s6H3I5H2I", "<4s4H2IH"))
