"""Branch and bound: a property proved part by part.

The loop is here. What a part of the inputs is, how a batch of parts is bounded and how
one is cut in two belongs to a `Kind`; `_boxes` has the one of boxes of inputs. Rigour
comes from the bounds of each part and from cuts that lose nothing (`_tree`): the order
of work, the choice of cuts and the points tried on the way are free.

Source: Bunel et al. 2018 (arXiv:1711.00455); anytime results as every such search has
them.
"""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any, Protocol, cast, runtime_checkable

import numpy as np

from torchlean_jax.domains._errors import FileFormatError, InputError
from torchlean_jax.search._evidence import Evidence
from torchlean_jax.search._frontier import Frontier, Rows
from torchlean_jax.search._tree import Splits, Tree


@dataclass(frozen=True)
class Branching:
    """How `tl.verify` splits what one pass of bounds leaves open.

    batch: parts that are bounded together. memory: bytes that the open parts may take;
        beyond it the search goes depth-first, which hardly needs more.
    most_parts: an end to a search without a time limit; None for none.
    cut: "inputs" cuts boxes across an input; "phases" cuts values inside the model,
        which suits networks of many inputs: across the kink of a max(x, c), such as a
        ReLU, and in the middle of what goes through any other bend (tanh, products of
        values, the largest of several). Where ReLUs are all that bends and none is left
        to cut, a linear program decides (at most 2**20 coefficients, boxes only).
    """

    batch: int = 512
    memory: int = 2**28
    most_parts: int | None = None
    cut: str = "inputs"

    def __post_init__(self):
        if self.cut not in ("inputs", "phases"):
            raise InputError(f'cut is "inputs" or "phases"; got {self.cut!r}')
        given = (
            self.batch,
            self.memory,
            1 if self.most_parts is None else self.most_parts,
        )
        if not all(isinstance(n, int) and n >= 1 for n in given):
            raise InputError(
                "batch, memory and most_parts are positive integers; got "
                f"{self.batch}, {self.memory}, {self.most_parts}"
            )


@dataclass(frozen=True)
class Bounded:
    """What bounding a batch of n parts gave.

    margin: float64[n], lower bounds of the property's robustness on each; inf where a
        part holds no input. points: places worth trying, best first, of the kind's own
        type. extra: what the kind wants to know when it splits, with leading axis n.
    evidence: what a certificate of a part needs beside its place in the tree, likewise.
    """

    margin: np.ndarray
    points: list
    extra: Rows = field(default_factory=dict)
    evidence: Rows = field(default_factory=dict)


@dataclass(frozen=True)
class Trim:
    """Cuts of some parts, each with a side that is proved.

    which: their places, int[k]. open_side: of each, 0 for the lower half. margin: lower
    bounds of the robustness on the other sides.
    """

    which: np.ndarray
    splits: Splits
    open_side: int
    margin: np.ndarray


@runtime_checkable
class Kind(Protocol):
    """A way of cutting the inputs into parts. Rows have one entry for each part."""

    def root(self) -> Rows:
        """The whole, as a single row."""
        ...

    def bound(self, rows: Rows) -> Bounded:
        """Sound bounds on each of at most `Branching.batch` parts."""
        ...

    def trimmed(self, rows: Rows, extra: Rows) -> Iterator["Trim"]:
        """Cuts of parts one side of which is proved already; `rows` is changed to the
        other sides."""
        ...

    def split(self, rows: Rows, extra: Rows) -> tuple[np.ndarray, Splits, Rows, Rows]:
        """(bool[n]: which parts can be cut, their cuts, lower halves, upper halves)."""
        ...

    def shares(self, rows: Rows) -> np.ndarray:
        """About which share of the whole each part is, float64[n]."""
        ...

    def share(self, rows: Rows) -> Fraction:
        """The exact share of the whole that parts without a common inside are."""
        ...


class Recutting(Kind, Protocol):
    """A kind whose proved parts can be cut again."""

    def part(self, path: list[tuple[int, int, float, bool]]) -> Rows:
        """The part to which cuts lead (`Tree.above`), as a single row."""
        ...

    def halved(self, rows: Rows) -> tuple[np.ndarray, Splits, Rows, Rows]:
        """The same as `split`, of parts that are proved."""
        ...


class Search:
    """A search, from its start or from where another one stopped.

    status: "unknown" until it is "proved" or "refuted". parts: how many were bounded,
    in how many rounds. depth: of cuts above the parts bounded last. open: parts still
    to be bounded; stuck: parts that bounds do not decide and that cannot be cut. given:
    how many cuts were made before it began (`_hints`), of parts that were not bounded.
    trimmed: how many cuts had a side that was proved already.
    """

    def __init__(self, kind: Kind, options: Branching):
        self.kind, self.options, self.seconds = kind, options, 0.0
        self.start()

    def start(self) -> None:
        """Begin anew, with nothing cut."""
        kind, options = self.kind, self.options
        self.status, self.parts, self.depth = "unknown", 0, 0
        self.rounds = self.given = self.trimmed = 0
        self.tree = Tree()
        root = kind.root() | {
            "bound": np.array([-np.inf]),
            "node": np.zeros(1, np.int64),
            "depth": np.zeros(1, np.int32),
        }
        self.open = Frontier(root, options.memory)
        self.stuck = Frontier({n: a[:0] for n, a in root.items()}, options.memory)
        self.evidence = Evidence(options.memory)
        self._proved_by = np.inf  # the least bound of a part that is proved

    @property
    def bound(self) -> float:
        """A lower bound of the robustness on the whole."""
        return min(self._proved_by, self.open.least(), self.stuck.least())

    @property
    def proved_share(self) -> Fraction:
        """Which share of the whole is proved, exactly."""
        parts = self.open.rows, self.stuck.rows
        return 1 - sum(map(self.kind.share, parts), Fraction(0))

    @property
    def proved_share_about(self) -> float:
        """The same in floating point, which is cheap."""
        parts = self.open.rows, self.stuck.rows
        return 1 - sum(float(self.kind.shares(rows).sum()) for rows in parts)

    def run(
        self,
        stop: Callable[[], bool],
        refutes: Callable[[list], Any],
        watch: Callable[["Search"], None] | None = None,
    ) -> Any:
        """Search until it is decided, or until `stop()`, which is asked between
        batches.

        refutes(points): the evidence if one of these is a counterexample, else None.
        Returns that evidence, if any. May be called again to go on.
        """
        start, before = time.perf_counter(), self.seconds
        evidence = None
        while evidence is None and self.goes_on and not stop():
            evidence = self._round(refutes)
            self.seconds = before + time.perf_counter() - start
            if watch is not None:
                watch(self)
        if evidence is not None:
            self.status = "refuted"
        elif not len(self.open) and not len(self.stuck):
            self.status = "proved"
        return evidence

    @property
    def goes_on(self) -> bool:
        """Whether `run` would bound more parts, given time."""
        most = self.options.most_parts
        return len(self.open) > 0 and (most is None or self.parts < most)

    def state(self) -> Rows:
        """All of it as arrays, from which `restore` makes it again."""
        found = {f"tree.{name}": a for name, a in self.tree.arrays().items()}
        for part in _PARTS:
            rows = getattr(self, part).rows
            found |= {f"{part}.{name}": array for name, array in rows.items()}
        found |= {f"evidence.{name}": a for name, a in self.evidence.rows.items()}
        numbers = self.parts, self.rounds, self.depth, self.given, self.trimmed
        counts = np.array(numbers, np.int64)
        times = np.array([self._proved_by, self.seconds])
        # copies: the search writes to its own when it goes on
        found = {name: array.copy() for name, array in found.items()}
        return found | {"counts": counts, "numbers": times}

    def restore(self, state: Rows) -> None:
        """Go on from a state of the same search.

        Raises FileFormatError for arrays that are no such state.
        """
        parts = {part: _rows_of(state, part, self.open.rows) for part in _PARTS}
        counts, numbers = state.get("counts"), state.get("numbers")
        if counts is None or numbers is None or counts.size != 5 or numbers.size != 2:
            raise FileFormatError("no state of a search: numbers are missing")
        tree = Tree.from_arrays(_part_of(state, "tree"))
        nodes = np.concatenate([rows["node"] for rows in parts.values()])
        if not tree.has_leaves(nodes):
            raise FileFormatError("no state of a search: its tree has other leaves")
        # what was bounded is a leaf that is not open, or was cut; a trim makes a leaf
        # and a cut that were not
        bounded = tree.leaves - len(parts["open"]["node"]) + len(tree) // 2
        if counts[0] + counts[3] + 2 * counts[4] != bounded or counts.min() < 0:
            raise FileFormatError("no state of a search: parts of it are missing")
        self.tree = tree
        for part, rows in parts.items():
            setattr(self, part, Frontier(rows, self.options.memory))
        self.evidence = Evidence(self.options.memory)
        self.evidence.add(_part_of(state, "evidence"))
        self.parts, self.rounds, self.depth, self.given, self.trimmed = counts.tolist()
        self._proved_by, self.seconds = numbers.tolist()

    def _round(self, refutes):
        """Bound one batch, and put the halves of what stays open in its place."""
        rows = self.open.pop(self.options.batch)
        try:
            bounded = self.kind.bound(rows)
        except BaseException:
            # Ctrl-C, say: what was not bounded must not count as proved
            self.open.push(rows)
            raise
        # what bounds a part bounds each of its parts; NaN bounds nothing
        rows["bound"] = np.fmax(bounded.margin, rows["bound"])
        left = ~(rows["bound"] > 0)
        self._proved_by = float(np.min(rows["bound"][~left], initial=self._proved_by))
        self.parts += len(left)
        self.rounds += 1
        self.depth = int(rows["depth"].max())
        kept = _chosen(bounded.evidence, ~left)
        self.evidence.add(kept and kept | {"node": rows["node"][~left]})
        rows, extra = _chosen(rows, left), _chosen(bounded.extra, left)
        for trim in self.kind.trimmed(rows, extra):
            nodes = self.tree.split(rows["node"][trim.which], trim.splits)
            rows["node"][trim.which] = nodes + trim.open_side
            self.trimmed += len(nodes)
            self._proved_by = float(np.min(trim.margin, initial=self._proved_by))
        can, splits, *halves = self.kind.split(rows, extra)
        self.stuck.push(_chosen(rows, ~can))
        self._cut(_chosen(rows, can), splits, halves)
        return refutes(bounded.points) if bounded.points else None

    def _cut(self, rows: Rows, splits: Splits, halves) -> None:
        """Put both halves of some parts in their place."""
        nodes = self.tree.split(rows["node"], splits)
        for side, half in enumerate(halves):
            own = {"node": nodes + side, "depth": rows["depth"] + 1}
            self.open.push(rows | half | own)

    def cut_again(self, nodes: np.ndarray) -> bool:
        """Cut parts that are proved, so that `run` bounds their halves: a proof by
        smaller parts. False if one cannot be cut; then this proof is the last one.

        nodes: leaves of the tree.
        """
        kind = cast(Recutting, self.kind)
        for start in range(0, len(nodes), self.options.batch):
            some = nodes[start : start + self.options.batch]
            paths = self.tree.above(some)
            parts = [kind.part(path) for path in paths]
            rows = {n: np.concatenate([p[n] for p in parts]) for n in parts[0]}
            # what is proved of the whole is proved of its halves
            rows["bound"] = np.full(len(some), self._proved_by)
            rows["depth"] = np.array([len(path) for path in paths], np.int32)
            rows["node"] = some
            can, splits, *halves = kind.halved(rows)
            if not can.all():
                return False
            self._cut(rows, splits, halves)
        self.status = "unknown"
        return True


_PARTS = ("open", "stuck")


def _part_of(state: Rows, part: str) -> Rows:
    start = f"{part}."
    return {n[len(start) :]: a for n, a in state.items() if n.startswith(start)}


def _rows_of(state: Rows, part: str, like: Rows) -> Rows:
    """The arrays of one frontier, if they are rows as `like` holds them."""
    rows = _part_of(state, part)
    count = len(rows["node"]) if "node" in rows and rows["node"].ndim else 0
    expected = {n: (a.dtype, (count, *a.shape[1:])) for n, a in like.items()}
    if {n: (a.dtype, a.shape) for n, a in rows.items()} != expected:
        raise FileFormatError("no state of this search: its parts are other ones")
    return rows


def _chosen(rows: Rows, which) -> Rows:
    return {name: array[which] for name, array in rows.items()}
