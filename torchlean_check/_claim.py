"""What a certificate claims: the input set, the property, and the tree of cases."""

import functools
from typing import NamedTuple

from torchlean_check._balls import Ball
from torchlean_check._bounds import Region
from torchlean_check._graph import Program
from torchlean_check._halfspaces import read_halfspaces, read_multipliers
from torchlean_check._relax import SLOPE_BITS
from torchlean_check._schema import Arrays, checked, dyadic, fail, fields
from torchlean_check._tensor import Tensor, aligned

METHODS = ("crown", "crown-ibp", "ibp")


def read_region(input_set, arrays: Arrays, program: Program) -> Region:
    input_set = fields(input_set, "input_set", inputs=[None], constraints=list)
    region = Region({}, {}, {})
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
            box = _ball(entry, where, value, arrays, region)
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


def _ball(entry, where: str, value, arrays: Arrays, region: Region) -> Tensor:
    entry = fields(entry, where, value=int, center=str, radius=(int, int), norm=int)
    center = arrays.load(entry["center"], f"{where}.center", value.shape)
    m, e = dyadic(entry["radius"], f"{where}.radius")
    if m < 0 or entry["norm"] not in (1, 2):
        fail(where, "the radius must not be negative, and the norm 1 or 2")
    ball = Ball(center, Tensor([m], [m], e), entry["norm"])
    region.balls[value.id] = ball
    return ball.box()


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
    method: str
    refining: dict[int, list[int]]
    final: dict[int, list[list[int]]]  # one list for all rows, or one for each
    multipliers: list[tuple[list[int], int]]  # of the constraints: one for each row


class Split(NamedTuple):
    """A value of the program, its flat entry and the number at which it is split.

    shared: slopes while boxes are derived for both halves at once; None if each leaf
    derives its own alone.
    """

    value: int
    entry: int
    at: Tensor
    shared: dict[int, list[int]] | None


def read_cases(
    proof, arrays: Arrays, program: Program, formula: Formula, halfspaces
) -> list:
    """The tree in the order: split, all of its lower half, all of its upper half."""
    cases, open_ends = [], 1
    for k, entry in enumerate(proof):
        where = f"proof[{k}]"
        if type(entry) is not dict or open_ends == 0:
            fail(where, "not an object, or beyond the end of the tree")
        if "split" in entry:
            cases.append(_split(entry, where, arrays, program))
            open_ends += 1
        else:
            rows = len(formula.rows)
            cases.append(_leaf(entry, where, arrays, program, rows, halfspaces))
            open_ends -= 1
    if open_ends:
        fail("proof", f"the tree of cases lacks {open_ends} leaves")
    return cases


def _split(entry, where: str, arrays: Arrays, program: Program) -> Split:
    kinds = {"split": None, "method": str, "refining": dict}
    outer, shared = fields(entry, where, ("method", "refining"), **kinds), None
    if outer["method"] is not None:
        if outer["method"] != "crown":
            fail(where, "boxes of a split are derived by crown")
        shared = _refining(outer["refining"] or {}, where, arrays, program)
    elif outer["refining"] is not None:
        fail(where, "slopes without a method")
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
        k, array = _relaxed(name, array, here, program)
        slopes = arrays.load(array, here, program.values[k].shape)
        found[k] = _slopes(slopes, here)
    return found


def _relaxed(name: str, array, where: str, program: Program) -> tuple[int, str]:
    """The relaxation of that name, and its array of slopes."""
    k = program.relaxed.get(int(name)) if name.isdecimal() else None
    array = checked(array, str, where)
    if k is None or str(int(name)) != name:
        fail(where, "not a value whose relaxation has slopes")
    return k, array


def _leaf(
    entry, where: str, arrays: Arrays, program: Program, rows: int, halfspaces
) -> Leaf:
    kinds = {"method": str, "refining": dict, "final": dict, "multipliers": str}
    entry = fields(entry, where, ("multipliers",), **kinds)
    if entry["method"] not in METHODS:
        fail(where, f"method must be one of {METHODS}")
    name = entry["multipliers"]
    multipliers = read_multipliers(name, where, arrays, rows, halfspaces)
    refining = _refining(entry["refining"], where, arrays, program)
    final = {}
    for name, array in entry["final"].items():
        here = f"{where}.final.{name[:20]}"
        k, array = _relaxed(name, array, here, program)
        shape = tuple(arrays.entry(array, here)["shape"])
        size, own = program.values[k].size, program.values[k].shape
        if shape not in (own, (rows, *own)):
            fail(here, f"slopes of shape {shape} for a value of shape {own}")
        slopes = _slopes(arrays.load(array, here), here)
        final[k] = [slopes[i : i + size] for i in range(0, len(slopes), size)]
    return Leaf(entry["method"], refining, final, multipliers)


def _slopes(t: Tensor, where: str) -> list[int]:
    """Slopes in [0, 1] in units of 2**-SLOPE_BITS, rounded down: any slope is valid."""
    by = t.exp + SLOPE_BITS
    slopes = [a << by if by >= 0 else a >> -by for a in t.lo]
    if min(slopes) < 0 or max(slopes) > 1 << SLOPE_BITS:
        fail(where, "slopes must lie in [0, 1]")
    return slopes
