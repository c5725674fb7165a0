"""The tree of cases: how a certificate takes its inputs apart, and what leaves say."""

from typing import Any, NamedTuple

from torchlean_check._bounds import End
from torchlean_check._claim import Formula
from torchlean_check._graph import Program
from torchlean_check._halfspaces import read_multipliers
from torchlean_check._phases import read_split_multipliers
from torchlean_check._schema import Arrays, checked, dyadic, fail, fields
from torchlean_check._slopes import in_units, stacked
from torchlean_check._tensor import Tensor

METHODS = ("crown", "crown-ibp", "ibp", "zonotope")


class Leaf(NamedTuple):
    goal: Any  # what of the formula is to hold, and the rows of that; or an End
    rows: range
    method: str
    refining: dict[int, list[int]]
    final: dict[int, list[list[int]]]  # one list for all rows, or one for each
    multipliers: list[tuple[list[int], int]]  # of the constraints: one for each row
    of_splits: list[list[tuple[int, int]]]  # the same of the splits above

    def last(self, splits: tuple[End, ...], program: Program) -> int | None:
        """The value after which a lemma's leaf has no linear form, `splits` being those
        above it; None of a leaf of the property."""
        if not isinstance(self.goal, End):
            return None
        values = [self.goal.value]
        if self.multipliers:
            values.append(program.inputs[-1].id)
        if self.of_splits:
            pairs = zip(splits, self.of_splits[0], strict=True)
            values += [end.value for end, (m, _) in pairs if m]
        return max(values)


class Shared(NamedTuple):
    """Boxes derived for all of a tree: are they refined, and by which slopes?"""

    refine: bool
    slopes: dict[int, list[int]]


class Split(NamedTuple):
    """A value of the program, its flat entry and the number at which it is split.

    shared: how boxes are derived for both halves at once; None if each leaf derives
    its own alone.
    """

    value: int
    entry: int
    at: Tensor
    shared: Shared | None


class Each(NamedTuple):
    """A conjunction whose parts are proved one by one, on the same inputs."""

    parts: int
    shared: Shared | None  # as of a split


class Lemmas(NamedTuple):
    """Ends of entries inside the graph, proved one by one without each other; what
    comes after them may use all of them."""

    ends: list[End]
    shared: Shared | None  # as of a split


def parts_of(case) -> int:
    """How many trees come right below a case."""
    if isinstance(case, Lemmas):
        return len(case.ends) + 1
    if isinstance(case, Leaf):
        return 0
    return case.parts if isinstance(case, Each) else 2


def read_cases(
    proof, arrays: Arrays, program: Program, formula: Formula, root, halfspaces
) -> list:
    """The tree in the order: split, all of its lower half, all of its upper half; a
    conjunction, all of its first part, and so on; or lemmas, the tree of each, and then
    that of what uses them. root: what it is to prove."""
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
            parts = [goal] if isinstance(goal, End) else formula.conjuncts(goal)
            cases.append(_each(entry, where, arrays, program, len(parts)))
            waiting += [(part, depth) for part in reversed(parts)]
        elif "lemmas" in entry:
            cases.append(_lemmas(entry, where, arrays, program))
            waiting.append((goal, depth))
            waiting += [(end, depth) for end in reversed(cases[-1].ends)]
        else:
            rows = range(1) if isinstance(goal, End) else formula.rows_of(goal)
            leaf = _leaf(entry, where, arrays, program, len(rows), halfspaces, depth)
            cases.append(Leaf(goal, rows, *leaf))
    if waiting:
        fail("proof", f"the tree of cases lacks {len(waiting)} leaves")
    return cases


def _shared(outer: dict, where: str, arrays: Arrays, program: Program):
    """How boxes are derived for all below; None if they are not."""
    method, slopes = outer["method"], outer["refining"]
    if method is None and slopes is not None:
        fail(where, "slopes without a method")
    if method is None:
        return None
    if method not in ("crown", "crown-ibp"):
        fail(where, "boxes of a tree are derived by crown or crown-ibp")
    slopes = _refining(slopes or {}, where, arrays, program)
    return Shared(method == "crown", slopes)


_SHARED = {"method": str, "refining": dict}


def _each(entry, where: str, arrays: Arrays, program: Program, count: int) -> Each:
    outer = fields(entry, where, tuple(_SHARED), each=int, **_SHARED)
    if outer["each"] != count or count < 2:
        fail(where, f"the property here is a conjunction of {count}, not as said")
    return Each(count, _shared(outer, where, arrays, program))


def _split(entry, where: str, arrays: Arrays, program: Program) -> Split:
    outer = fields(entry, where, tuple(_SHARED), split=None, **_SHARED)
    shared = _shared(outer, where, arrays, program)
    place = _place(outer["split"], f"{where}.split", program)
    return Split(place["value"], place["index"], place["at"], shared)


def _lemmas(entry, where: str, arrays: Arrays, program: Program) -> Lemmas:
    outer = fields(entry, where, tuple(_SHARED), lemmas=list, **_SHARED)
    shared = _shared(outer, where, arrays, program)
    if not outer["lemmas"]:
        fail(f"{where}.lemmas", "must not be empty")
    ends = []
    for n, given in enumerate(outer["lemmas"]):
        place = _place(given, f"{where}.lemmas[{n}]", program, at_most=bool)
        value, entry, at = place["value"], place["index"], place["at"]
        ends.append(End(value, entry, place["at_most"], at))
    return Lemmas(ends, shared)


def _place(entry, where: str, program: Program, **more) -> dict:
    """A place in a value and a number there: its step, index, and the number."""
    found = fields(entry, where, value=int, index=int, at=(int, int), **more)
    k = program.names.get(found["value"])
    if k is None or program.values[k].known is not None:
        fail(where, "not a value that depends on the inputs")
    if not 0 <= found["index"] < program.values[k].size:
        fail(where, "index out of range")
    m, e = dyadic(found["at"], f"{where}.at")
    ints = [m]
    return {**found, "value": k, "at": Tensor(ints, ints, e)}


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
    if entry["method"] == "zonotope" and (entry["refining"] or entry["final"] or more):
        fail(where, "zonotopes have no slopes, and no multipliers of splits")
    multipliers = read_multipliers(name, where, arrays, rows, halfspaces)
    of_splits = read_split_multipliers(more, where, rows, depth)
    refining = _refining(entry["refining"], where, arrays, program)
    final = {}
    for name, array in entry["final"].items():
        here = f"{where}.final.{name[:20]}"
        k = _relaxed(name, here, program)
        final[k] = stacked(array, here, arrays, rows, program.values[k].shape)
    return entry["method"], refining, final, multipliers, of_splits
