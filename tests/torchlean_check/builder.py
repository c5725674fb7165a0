"""Certificates by hand, for the tests of the checker: numpy, zipfile and json, no JAX.

Nothing here is shared with the writer or with the checker, so the three agree on the
format or a test fails.
"""

import hashlib
import io
import json
import zipfile
from fractions import Fraction

import numpy as np


def canonical(value) -> bytes:
    return json.dumps(value, sort_keys=True, separators=(",", ":")).encode()


def described(array: np.ndarray) -> dict:
    digest = hashlib.sha256(array.tobytes()).hexdigest()
    return {"dtype": array.dtype.name, "shape": list(array.shape), "sha256": digest}


def archive(members: dict[str, bytes]) -> bytes:
    """The canonical archive, by way of the standard library's zip writer."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_STORED) as writer:
        for name in sorted(members):
            info = zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0))
            info.create_system, info.external_attr = 3, 0o100644 << 16
            writer.writestr(info, members[name])
    return stream.getvalue()


def members_of(blob: bytes) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(blob)) as reader:
        return {name: reader.read(name) for name in reader.namelist()}


def digest_of(graph: dict, table: dict) -> str:
    constants = [{**c, "array": table[c["array"]]} for c in graph["constants"]]
    return hashlib.sha256(canonical({**graph, "constants": constants})).hexdigest()


LEAF = {"method": "crown", "refining": {}, "final": {}}


def leaf(method="crown", refining=None, final=None, **more) -> dict:
    """more: `multipliers` and `split_multipliers`, where there are some."""
    plain = {"method": method, "refining": refining or {}, "final": final or {}}
    return {**plain, **more}


class Certificate:
    """A certificate under construction; values are the integers that methods return."""

    def __init__(self):
        self.arrays: dict[str, np.ndarray] = {}
        self.graph = {"inputs": [], "constants": [], "nodes": [], "outputs": []}
        self.sets: list[dict] = []
        self.constraints: list[dict] = []
        self.property: dict = {}
        self.proof: list[dict] = [LEAF]
        self.assumptions: list[str] = []
        self.error_model: dict | None = None  # a claim about executions has one
        self.count = 0

    def array(self, array) -> str:
        array = np.array(array, order="C")
        name = str(len(self.arrays))
        self.arrays[name] = array
        return name

    def _new(self) -> int:
        self.count += 1
        return self.count - 1

    def input(self, shape, dtype="float64") -> int:
        value = self._new()
        entry = {"value": value, "shape": list(shape), "dtype": dtype}
        self.graph["inputs"].append(entry)
        return value

    def box(self, lo, hi, dtype=np.float64) -> int:
        lo, hi = np.asarray(lo, dtype), np.asarray(hi, dtype)
        value = self.input(lo.shape)
        entry = {"value": value, "lo": self.array(lo), "hi": self.array(hi)}
        self.sets.append(entry)
        return value

    def ball(self, center, radius, norm) -> int:
        center = np.asarray(center, np.float64)
        value = self.input(center.shape)
        self.sets.append(
            {
                "value": value,
                "center": self.array(center),
                "radius": dyadic(radius),
                "norm": norm,
            }
        )
        return value

    def constant(self, array) -> int:
        value = self._new()
        self.graph["constants"].append({"value": value, "array": self.array(array)})
        return value

    def node(self, op, operands, shape, **params) -> int:
        value = self._new()
        node = {"op": op, "in": list(operands), "out": value, "shape": list(shape)}
        self.graph["nodes"].append({**node, "params": params})
        return value

    def output(self, *values) -> None:
        self.graph["outputs"] = list(values)

    def rows(self, c, d) -> dict:
        c, d = np.asarray(c, np.float64), np.asarray(d, np.float64)
        return {"rows": self.array(c), "offset": self.array(d)}

    def manifest(self) -> dict:
        table = {name: described(a) for name, a in self.arrays.items()}
        model = {"error_model": self.error_model} if self.error_model else {}
        return {
            **model,
            "format": "torchlean-certificate",
            "version": 1,
            "semantics": "fp32" if model else "real",
            "assumptions": self.assumptions,
            "arrays": table,
            "graph": self.graph,
            "graph_digest": digest_of(self.graph, table),
            "input_set": {"inputs": self.sets, "constraints": self.constraints},
            "property": self.property,
            "proof": self.proof,
        }

    def members(self) -> dict[str, bytes]:
        members = {f"arrays/{name}": a.tobytes() for name, a in self.arrays.items()}
        return {**members, "manifest.json": canonical(self.manifest())}

    def pack(self) -> bytes:
        return archive(self.members())


def dyadic(value) -> list[int]:
    value = Fraction(value)
    m, e = value.numerator, 1 - value.denominator.bit_length()
    assert value.denominator == 1 << -e
    if m == 0:
        return [0, 0]
    while m % 2 == 0:
        m, e = m // 2, e + 1
    return [m, e]


def exact(margin) -> Fraction:
    """The margin of a report as a fraction."""
    m, e = margin
    return Fraction(m) * Fraction(2) ** e
