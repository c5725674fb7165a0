"""What a certificate claims: the input set and the property."""

import functools

from torchlean_check._balls import read_ball
from torchlean_check._bounds import Region
from torchlean_check._graph import Program
from torchlean_check._halfspaces import read_halfspaces
from torchlean_check._schema import Arrays, fail, fields
from torchlean_check._tensor import Tensor, aligned


def read_region(input_set, arrays: Arrays, program: Program) -> Region:
    input_set = fields(input_set, "input_set", inputs=[None], constraints=list)
    region = Region({}, {})
    for k, entry in enumerate(input_set["inputs"]):
        where = f"input_set.inputs[{k}]"
        if k >= len(program.inputs) or type(entry) is not dict:
            fail(where, "not an input of the graph")
        value = program.inputs[k]
        if "lo" in entry:
            entry = fields(entry, where, value=int, lo=str, hi=str)
            lo = arrays.load(entry["lo"], f"{where}.lo", value.shape)
            hi = arrays.load(entry["hi"], f"{where}.hi", value.shape)
            lo, hi = aligned([lo, hi])
            box = Tensor(lo.lo, hi.lo, lo.exp)
        else:
            ball = region.balls[value.id] = read_ball(entry, where, value, arrays)
            box = ball.box()
        if any(a > b for a, b in zip(box.lo, box.hi, strict=True)):
            fail(where, "lo > hi")
        if program.names.get(entry["value"]) != value.id:
            fail(where, "inputs must come in the order of the graph")
        region.boxes[value.id] = box
    if len(region.boxes) != len(program.inputs):
        fail("input_set.inputs", "every input of the graph needs a set")
    where, entries = "input_set.constraints", input_set["constraints"]
    halfspaces = read_halfspaces(entries, where, arrays, program)
    return region._replace(halfspaces=halfspaces)


def _order(x: tuple[int, int], y: tuple[int, int]) -> int:
    """The sign of x - y, for numbers (m, e)."""
    low = min(x[1], y[1])
    return (x[0] << (x[1] - low)) - (y[0] << (y[1] - low))


def least(numbers):
    return min(numbers, key=functools.cmp_to_key(_order))


def greatest(numbers):
    return max(numbers, key=functools.cmp_to_key(_order))


class Formula:
    """A positive boolean combination of rows "C @ y - d > 0"; all rows in one list."""

    def __init__(self, arrays: Arrays, program: Program):
        self.arrays, self.size = arrays, sum(y.size for y in program.outputs)
        self.rows: list[tuple[list[int], int, int, int]] = []  # C, exp, d, exp
        self.sources: list[str] = []

    def read(self, entry, where: str, depth: int = 0):
        """("all" | "any", [parts]) or the range of a block of rows."""
        if depth > 50 or type(entry) is not dict:
            fail(where, "must be an object, nested at most 50 deep")
        for kind in ("all", "any"):
            if kind in entry:
                parts = fields(entry, where, **{kind: list})[kind]
                if not parts:
                    fail(where, "must not be empty")
                inner = f"{where}.{kind}"
                pairs = enumerate(parts)
                return kind, [
                    self.read(p, f"{inner}[{k}]", depth + 1) for k, p in pairs
                ]
        entry = fields(entry, where, rows=str, offset=str)
        shape = self.arrays.entry(entry["rows"], where)["shape"]
        if len(shape) != 2 or shape[1] != self.size:
            fail(where, f"rows of shape {shape} for {self.size} outputs")
        c = self.arrays.load(entry["rows"], f"{where}.rows")
        d = self.arrays.load(entry["offset"], f"{where}.offset", shape[:1])
        start = len(self.rows)
        names = [self.arrays.entries[entry[k]]["sha256"] for k in ("rows", "offset")]
        here = f"rows {start}..{start + shape[0] - 1}"
        self.sources.append(f"{here} are arrays C {names[0]} and d {names[1]}")
        for k, offset in enumerate(d.lo):
            row = c.lo[k * self.size : (k + 1) * self.size]
            self.rows.append((row, c.exp, offset, d.exp))
        return range(start, len(self.rows))

    def rows_of(self, node) -> range:
        """The rows that `node` speaks of, which follow each other."""
        if isinstance(node, range):
            return node
        first, last = (self.rows_of(node[1][k]) for k in (0, -1))
        return range(first[0], last[-1] + 1)

    def starts(self, rows, program: Program) -> tuple[dict, tuple[list[int], int]]:
        """Linear forms in the outputs, by value, and constants: some of the rows."""
        taken = [self.rows[r] for r in rows]
        exp = min(e for _, e, _, _ in taken)
        unit = min(e for *_, e in taken)
        coefficients = [[a << (e - exp) for a in c] for c, e, _, _ in taken]
        forms, start = {}, 0
        for y in program.outputs:
            part = [row[start : start + y.size] for row in coefficients]
            start += y.size
            forms.setdefault(y.id, []).append((part, exp))
        return forms, ([-d << (e - unit) for *_, d, e in taken], unit)

    def conjuncts(self, node) -> list:
        """What together makes `node`; itself alone if that is no conjunction."""
        if isinstance(node, range):
            return [range(k, k + 1) for k in node]
        return node[1] if node[0] == "all" else [node]

    def margin(self, node, lows):
        """The least bound that all (the greatest that any) of the parts reach."""
        if isinstance(node, range):
            return least([lows[k] for k in node])
        kind, parts = node
        margins = [self.margin(part, lows) for part in parts]
        return least(margins) if kind == "all" else greatest(margins)

    def text(self, node) -> str:
        if isinstance(node, range):
            return f"rows {node[0]}..{node[-1]}"
        kind, parts = node
        return f"{kind} of (" + ", ".join(map(self.text, parts)) + ")"
