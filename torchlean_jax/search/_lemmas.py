"""Ends of inner values with what proves them, for certificates.

A lemma is an end of one element: the least bound on the leaves of a tree of cells. Of
each leaf its place in the tree is kept, the slopes of what was free when its part was
searched, and the multipliers of the cuts above it, the outermost first.
"""

from dataclasses import dataclass

import numpy as np

from torchlean_jax.domains._errors import FileFormatError
from torchlean_jax.interpreters._ascent import Choices
from torchlean_jax.search._frontier import Rows
from torchlean_jax.search._layout import Layout
from torchlean_jax.search._tree import Tree

_NAMES = ("elements", "sides", "at", "roots", "free", "node", "slopes", "weights")


@dataclass(frozen=True)
class Lemmas:
    """Of elements of one part: side 1, at least `at` (float32); -1, at most. roots: of
    the tree of each among `trees`. free: of the parts before, all that is cut end to
    end, what the slopes are of.

    node: of leaves, of more trees perhaps, with slopes (float16[n, len(free)]) and
    weights (float32[n, most cuts]).
    """

    part: int
    elements: np.ndarray
    sides: np.ndarray
    at: np.ndarray
    roots: np.ndarray
    free: np.ndarray
    trees: Tree
    node: np.ndarray
    slopes: np.ndarray
    weights: np.ndarray

    @property
    def size(self) -> int:
        """Bytes."""
        arrays = [getattr(self, name) for name in _NAMES]
        return sum(a.nbytes for a in [*arrays, *self.trees.arrays().values()])

    @property
    def leaves(self) -> int:
        return len(self.node)

    def arrays(self) -> Rows:
        """All of it, from which `from_arrays` makes it again."""
        found = {name: getattr(self, name) for name in _NAMES}
        found |= {f"tree.{name}": a for name, a in self.trees.arrays().items()}
        return found | {"numbers": np.array([self.part, self.trees.roots])}

    @staticmethod
    def from_arrays(arrays: Rows) -> "Lemmas":
        """Raises FileFormatError for arrays that are none."""
        try:
            part, count = arrays["numbers"].tolist()
            given = {name: arrays[name] for name in _NAMES}
            tree = {n[5:]: a for n, a in arrays.items() if n.startswith("tree.")}
        except (KeyError, ValueError) as error:
            raise FileFormatError("no state of a search: lemmas are damaged") from error
        return Lemmas(part, trees=Tree.from_arrays(tree, count), **given)


class Leaves:
    """Of the trees of one part's searches, as they are found."""

    def __init__(self, layout: Layout, free: np.ndarray, trees: Tree):
        self._layout, self._free, self._trees = layout, free, trees
        self._rows: list[Rows] = []

    def add(self, cells: Rows) -> None:
        """cells: rows with their choices and their `node`, cut no further."""
        if not len(cells["node"]):
            return
        choices: Choices = self._layout.choices(cells)
        slopes = self._layout.of_switches(choices.slopes)[:, self._free]
        given = self._layout.end_to_end(choices.multipliers)
        paths = self._trees.above(cells["node"])
        weights = np.zeros((len(paths), max(map(len, paths), default=0)), np.float32)
        for k, path in enumerate(paths):
            for depth, (value, index, *_) in enumerate(path):
                weights[k, depth] = given[k, self._layout.place(value) + index]
        short = np.clip(np.nan_to_num(slopes), 0, 1).astype(np.float16)
        own = {"node": cells["node"], "of": cells["of"]}
        self._rows.append(own | {"slopes": short, "weights": weights})

    def of(self, searches: np.ndarray) -> Rows:
        """Those of some searches."""
        most = max(rows["weights"].shape[1] for rows in self._rows)
        for rows in self._rows:
            missing = most - rows["weights"].shape[1]
            rows["weights"] = np.pad(rows["weights"], ((0, 0), (0, missing)))
        found = {n: np.concatenate([r[n] for r in self._rows]) for n in self._rows[0]}
        chosen = np.isin(found.pop("of"), searches)
        return {name: array[chosen] for name, array in found.items()}
