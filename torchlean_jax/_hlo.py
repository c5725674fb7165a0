"""Reading the text of a compiled program: instructions, where they come from, operands.

Only what an audit asks. Nothing here judges.
"""

import re
from dataclasses import dataclass, field

_INSTRUCTION = re.compile(
    r"^\s*(?P<root>ROOT )?%?(?P<name>[\w.\-]+) = (?P<type>\(.*?\)|\S+) "
    r"(?P<opcode>[\w\-]+)\((?P<rest>.*)$"
)
_COMPUTATION = re.compile(r"^(?P<entry>ENTRY )?%?(?P<name>[\w.\-]+)(?: \(.*\))?.*\{$")
_TABLE_ROW = re.compile(r"^(\d+) (.*)$")
_CALLED = re.compile(
    r"(?:calls|to_apply|body|condition|true_computation|false_computation)=%?([\w.\-]+)"
)
_BRANCHES = re.compile(r"branch_computations=\{([^}]*)\}")
_REFERENCE = re.compile(r"%?([A-Za-z_][\w.\-]*)")


@dataclass(frozen=True)
class Instruction:
    """One operation. line: (file, line, first column, last column) of the user's code,
    or None; path: JAX's name for it, `"jit(f)/jit(_var)/div"`."""

    name: str
    type: str
    opcode: str
    operands: tuple[str, ...]
    called: tuple[str, ...]
    path: str
    line: tuple | None
    text: str

    @property
    def is_float(self) -> bool:
        return re.match(r"\(?(f16|bf16|f32|f64)\[", self.type) is not None


@dataclass
class Computation:
    name: str
    instructions: dict[str, Instruction] = field(default_factory=dict)
    root: str = ""
    parameters: dict[int, str] = field(default_factory=dict)


@dataclass
class Module:
    computations: dict[str, Computation] = field(default_factory=dict)
    entry: str = ""


def parse(text: str) -> Module:
    """The computations of a module in XLA's text form."""
    module, tables, current, table = Module(), {}, None, None
    for line in text.splitlines():
        if current is None and line in _TABLES:
            table = tables.setdefault(line, {})
            continue
        row = _TABLE_ROW.match(line) if table is not None else None
        if row:
            assert table is not None
            table[int(row[1])] = row[2]
            continue
        table = None
        if line.startswith("}"):
            current = None
            continue
        opening = _COMPUTATION.match(line) if current is None else None
        if opening:
            current = Computation(opening["name"])
            module.computations[current.name] = current
            if opening["entry"]:
                module.entry = current.name
        elif current is not None:
            _read(line, current, tables)
    return module


_TABLES = ("FileNames", "FunctionNames", "FileLocations", "StackFrames")


def _read(line, computation, tables):
    match = _INSTRUCTION.match(line)
    if match is None:
        return
    inside, attributes = _split_operands(match["rest"])
    opcode, name = match["opcode"], match["name"]
    path = re.search(r'op_name="([^"]*)"', attributes)
    frame = re.search(r"stack_frame_id=(\d+)", attributes)
    operands = () if opcode in ("constant", "parameter") else _names(inside)
    called = _CALLED.findall(attributes)
    for group in _BRANCHES.findall(attributes):
        called += _REFERENCE.findall(group)
    computation.instructions[name] = Instruction(
        name,
        match["type"],
        opcode,
        operands,
        tuple(called),
        path[1] if path else "",
        _place(int(frame[1]), tables) if frame else None,
        inside if opcode in ("constant", "parameter") else attributes,
    )
    if match["root"]:
        computation.root = name
    if opcode == "parameter":
        computation.parameters[int(inside)] = name


def _split_operands(rest):
    """("a, b", the attributes) of "a, b), attributes"."""
    depth = 1
    for i, letter in enumerate(rest):
        depth += (letter in "({[") - (letter in ")}]")
        if depth == 0:
            return rest[:i], rest[i + 1 :]
    return rest, ""


def _names(inside):
    """Operand names; a printed shape before a name is left out."""
    pieces, depth, piece = [], 0, ""
    for letter in inside:
        depth += (letter in "({[") - (letter in ")}]")
        if letter == "," and depth == 0:
            pieces.append(piece)
            piece = ""
        else:
            piece += letter
    pieces.append(piece)
    found = [_REFERENCE.findall(p.strip().split(" ")[-1]) for p in pieces if p.strip()]
    return tuple(f[-1] for f in found if f)


def _place(frame, tables):
    """(file, line, first column, last column) of a stack frame."""
    row = tables.get("StackFrames", {}).get(frame, "")
    location = _number(row, "file_location_id")
    entry = tables.get("FileLocations", {}).get(location, "")
    file = tables.get("FileNames", {}).get(_number(entry, "file_name_id"), '""')
    spot = (_number(entry, k) for k in ("line", "column", "end_column"))
    return (file.strip('"'), *spot)


def _number(row, key):
    found = re.search(rf"\b{key}=(\d+)", row)
    return int(found[1]) if found else 0
