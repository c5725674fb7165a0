"""What a certificate claims: the input set, the property, and the tree of cases."""

import functools
from typing import Any, NamedTuple

from torchlean_check._balls import read_ball
from torchlean_check._bounds import Region
from torchlean_check._graph import Program
from torchlean_check._halfspaces import read_halfspaces, read_multipliers
from torchlean_check._phases import read_split_multipliers
from torchlean_check._schema import Arrays, checked, dyadic, fail, fields
from torchlean_check._slopes import in_units, stacked
from torchlean_check._tensor import Tensor, aligned

METHODS = ("crown", "crown-ibp", "ibp")


def read_region(input_set, arrays: Arrays, program: Program) -> Region:
    input_set = fields(input_set, "input_set", inputs=[None], constraints=list)
    region = Region({}, {}, ())
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


class Leaf(NamedTuple):
    goal: Any  # what of the formula is to hold, and the rows of that
    rows: range
    method: str
    refining: dict[int, list[int]]
    final: dict[int, list[list[int]]]  # one list for all rows, or one for each
    multipliers: list[tuple[list[int], int]]  # of the constraints: one for each row
    of_splits: list[list[tuple[int, int]]]  # the same of the splits above


class Split(NamedTuple):
    """A value of the program, its flat entry and the number at which it is split.

    shared: slopes while boxes are derived for both halves at once; None if each leaf
    derives its own alone.
    """

    value: int
    entry: int
    at: Tensor
    shared: dict[int, list[int]] | None


class Each(NamedTuple):
    """A conjunction whose parts are proved one by one, on the same inputs."""

    parts: int
    shared: dict[int, list[int]] | None  # as of a split


def read_cases(
    proof, arrays: Arrays, program: Program, formula: Formula, root, halfspaces
) -> list:
    """The tree in the order: split, all of its lower half, all of its upper half; or a
    conjunction, all of its first part, and so on. root: what it is to prove."""
    cases, waiting = [], [(root, 0)]  # each with how many splits are above
    for k, entry in enumerate(proof):
        where = f"proof[{k}]"
        if type(entry) is not dict or not waiting:
            fail(where, "not an object, or beyond the end of the tree")
        goal, depth = waiting.pop()
        if "split" in entry:
            cases.append(_split(entry, where, arrays, program))
            waiting += [(goal, depth + 1)] * 2
        elif "each" in entry:
            parts = formula.conjuncts(goal)
            cases.append(_each(entry, where, arrays, program, len(parts)))
            waiting += [(part, depth) for part in reversed(parts)]
        else:
            rows = formula.rows_of(goal)
            leaf = _leaf(entry, where, arrays, program, len(rows), halfspaces, depth)
            cases.append(Leaf(goal, rows, *leaf))
    if waiting:
        fail("proof", f"the tree of cases lacks {len(waiting)} leaves")
    return cases


def _shared(outer: dict, where: str, arrays: Arrays, program: Program):
    """Slopes while boxes are derived for all below; None if they are not."""
    if outer["method"] is not None:
        if outer["method"] != "crown":
            fail(where, "boxes of a split are derived by crown")
        return _refining(outer["refining"] or {}, where, arrays, program)
    if outer["refining"] is not None:
        fail(where, "slopes without a method")
    return None


_SHARED = {"method": str, "refining": dict}


def _each(entry, where: str, arrays: Arrays, program: Program, count: int) -> Each:
    outer = fields(entry, where, tuple(_SHARED), each=int, **_SHARED)
    if outer["each"] != count or count < 2:
        fail(where, f"the property here is a conjunction of {count}, not as said")
    return Each(count, _shared(outer, where, arrays, program))


def _split(entry, where: str, arrays: Arrays, program: Program) -> Split:
    outer = fields(entry, where, tuple(_SHARED), split=None, **_SHARED)
    shared = _shared(outer, where, arrays, program)
    where = f"{where}.split"
    entry = fields(outer["split"], where, value=int, index=int, at=(int, int))
    k = program.names.get(entry["value"])
    if k is None or program.values[k].known is not None:
        fail(where, "not a value that depends on the inputs")
    if not 0 <= entry["index"] < program.values[k].size:
        fail(where, "index out of range")
    m, e = dyadic(entry["at"], f"{where}.at")
    ints = [m]
    return Split(k, entry["index"], Tensor(ints, ints, e), shared)


def _refining(entries: dict, where: str, arrays: Arrays, program: Program) -> dict:
    """Slopes while boxes are refined: one list for each relaxation."""
    found = {}
    for name, array in entries.items():
        here = f"{where}.refining.{name[:20]}"
        k = _relaxed(name, here, program)
        array = checked(array, str, here)
        slopes = arrays.load(array, here, program.values[k].shape)
        found[k] = in_units(slopes, here)
    return found


def _relaxed(name: str, where: str, program: Program) -> int:
    """The relaxation of that name."""
    k = program.relaxed.get(int(name)) if name.isdecimal() else None
    if k is None or str(int(name)) != name:
        fail(where, "not a value whose relaxation has slopes")
    return k


def _leaf(
    entry, where: str, arrays: Arrays, program: Program, rows: int, halfspaces, depth
) -> tuple:
    optional = {"multipliers": str, "split_multipliers": [[(int, int)]]}
    kinds = {"method": str, "refining": dict, "final": dict}
    entry = fields(entry, where, tuple(optional), **kinds, **optional)
    if entry["method"] not in METHODS:
        fail(where, f"method must be one of {METHODS}")
    name, more = entry["multipliers"], entry["split_multipliers"]
    multipliers = read_multipliers(name, where, arrays, rows, halfspaces)
    of_splits = read_split_multipliers(more, where, rows, depth)
    refining = _refining(entry["refining"], where, arrays, program)
    final = {}
    for name, array in entry["final"].items():
        here = f"{where}.final.{name[:20]}"
        k = _relaxed(name, here, program)
        final[k] = stacked(array, here, arrays, rows, program.values[k].shape)
    return entry["method"], refining, final, multipliers, of_splits
