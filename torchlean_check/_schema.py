"""Typed access to the manifest, and arrays as exact integers.

Every object lists its fields; a missing, unknown or ill-typed one is an error that
names it.
"""

import hashlib
import math
import struct
from typing import Any, NoReturn

from torchlean_check._container import canonical_json
from torchlean_check._errors import MalformedCertificate
from torchlean_check._tensor import MAX_BITS, Tensor

MAX_SIZE = 1 << 22  # entries of one tensor
MAX_RANK = 32

# dtype -> (struct code, bits of the fraction or None for integers)
DTYPES = {
    "float16": ("H", 10),
    "bfloat16": ("H", 7),
    "float32": ("I", 23),
    "float64": ("Q", 52),
    "bool": ("B", None),
    "int8": ("b", None),
    "int16": ("h", None),
    "int32": ("i", None),
    "int64": ("q", None),
    "uint8": ("B", None),
    "uint16": ("H", None),
    "uint32": ("I", None),
    "uint64": ("Q", None),
}
FLOATS = ("float16", "bfloat16", "float32", "float64")


def fail(field: str, message: str) -> NoReturn:
    raise MalformedCertificate(message, field)


def fields(value, where: str, optional: tuple[str, ...] = (), /, **kinds) -> dict:
    """The fields of an object, each checked by its kind (see `checked`)."""
    if type(value) is not dict:
        fail(where, "must be an object")
    for name in value.keys() - kinds.keys():
        fail(where, f"unknown field {name[:40]!r}")
    for name in kinds.keys() - value.keys() - set(optional):
        fail(where, f"field {name!r} is missing")
    return {
        name: checked(value[name], kind, f"{where}.{name}") if name in value else None
        for name, kind in kinds.items()
    }


def checked(value, kind, where: str) -> Any:
    """`value` if it is of `kind`: int, bool, str, dict, list, [kind] or (kind, ...)."""
    if isinstance(kind, list):
        if type(value) is not list:
            fail(where, "must be a list")
        return [checked(v, kind[0], f"{where}[{k}]") for k, v in enumerate(value)]
    if isinstance(kind, tuple):
        if type(value) is not list or len(value) != len(kind):
            fail(where, f"must be a list of length {len(kind)}")
        pairs = enumerate(zip(value, kind, strict=True))
        return tuple(checked(v, one, f"{where}[{k}]") for k, (v, one) in pairs)
    if kind is not None and type(value) is not kind:
        fail(where, f"must be of type {kind.__name__}")
    return value


def checked_shape(value: list[int], where: str) -> tuple[int, ...]:
    if len(value) > MAX_RANK or any(n <= 0 for n in value):
        fail(where, f"sizes must be positive and at most {MAX_RANK}")
    if math.prod(value) > MAX_SIZE:
        fail(where, f"more than {MAX_SIZE} entries")
    return tuple(value)


def dyadic(value: tuple[int, int], where: str) -> tuple[int, int]:
    """[m, e] for m * 2**e; m is odd, or m = e = 0: one spelling for each number."""
    m, e = value
    if abs(e) > 1100 or (m % 2 == 0 and (m, e) != (0, 0)):
        fail(where, "must be [m, e] with m odd and |e| <= 1100, or [0, 0]")
    return m, e


class Arrays:
    """The table of arrays: checked against the archive, decoded on demand."""

    def __init__(self, table: dict, members: dict[str, bytes]):
        self.raw, self.entries, self.used = {}, {}, set()
        names = {"arrays/" + name for name in table} | {"manifest.json"}
        for name in names ^ members.keys():
            fail("arrays", f"{name[:60]!r} is in only one of table and archive")
        for name, entry in table.items():
            where = f"arrays.{name}"
            entry = fields(entry, where, dtype=str, shape=[int], sha256=str)
            shape = checked_shape(entry["shape"], where)
            raw = members["arrays/" + name]
            if entry["dtype"] not in DTYPES:
                fail(where, f"unknown dtype {entry['dtype'][:20]!r}")
            width = struct.calcsize("<" + DTYPES[entry["dtype"]][0])
            if len(raw) != width * math.prod(shape):
                fail(where, f"holds {len(raw)} bytes, not {width} * {shape}")
            if hashlib.sha256(raw).hexdigest() != entry["sha256"]:
                fail(where, "SHA-256 does not match")
            self.raw[name], self.entries[name] = raw, entry

    def entry(self, name: str, where: str) -> dict:
        if name not in self.entries:
            fail(where, f"no array {name[:40]!r}")
        self.used.add(name)
        return self.entries[name]

    def load(self, name: str, where: str, shape=None) -> Tensor:
        """An array as exact integers; floats must be finite."""
        entry = self.entry(name, where)
        if shape is not None and tuple(entry["shape"]) != tuple(shape):
            fail(where, f"array of shape {entry['shape']}, need {list(shape)}")
        return self._decoded(entry, self.raw[name], where)

    def part(self, name: str, where: str, row: int) -> Tensor:
        """One row of an array along its first axis, which is longer than `row`."""
        entry, raw = self.entry(name, where), self.raw[name]
        size = len(raw) // entry["shape"][0]
        return self._decoded(entry, raw[row * size : (row + 1) * size], where)

    def _decoded(self, entry: dict, raw: bytes, where: str) -> Tensor:
        code, fraction = DTYPES[entry["dtype"]]
        words = list(
            struct.unpack(f"<{len(raw) // struct.calcsize('<' + code)}{code}", raw)
        )
        if fraction is not None:
            return decode_floats(
                words, fraction, struct.calcsize("<" + code) * 8, where
            )
        if entry["dtype"] == "bool" and max(words) > 1:
            fail(where, "a bool is neither 0 nor 1")
        return Tensor(words, words, 0)


def decode_floats(words: list[int], fraction: int, width: int, where: str) -> Tensor:
    """IEEE-754 bit patterns as integers in units of the largest common power of two."""
    special = (1 << (width - 1 - fraction)) - 1
    hidden, sign = 1 << fraction, 1 << (width - 1)
    parts, every = [], 0
    for word in words:
        power = (word >> fraction) & special
        m = word & (hidden - 1)
        if power == special:
            fail(where, "NaN or infinity")
        if power:
            m |= hidden
        else:
            power = 1  # subnormals share the exponent of the smallest normal numbers
        if m:
            every |= m << power
        parts.append((-m if word & sign else m, power))
    least = (every & -every).bit_length() - 1 if every else 0
    if len(parts) * (every.bit_length() - least) > MAX_BITS:
        fail(where, "numbers too far apart")
    values = [
        m << (power - least) if power >= least else m >> (least - power)
        for m, power in parts
    ]
    return Tensor(values, values, least - (special >> 1) - fraction if every else 0)


def graph_text(graph: dict, arrays: Arrays) -> bytes:
    """The graph with each array replaced by what it holds: what the digest is of."""
    constants = []
    for entry in graph["constants"]:
        held = arrays.entry(entry["array"], "graph.constants")
        constants.append({"value": entry["value"], "array": held})
    return canonical_json({**graph, "constants": constants})


def graph_digest(graph: dict, arrays: Arrays) -> str:
    return hashlib.sha256(graph_text(graph, arrays)).hexdigest()
