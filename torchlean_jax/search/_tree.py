"""The tree of case splits: which parts of the inputs a search has looked at.

A split cuts a part of the inputs where one entry of one value equals a number: the
lower half has the entry at most there, the upper half at least. Both contain the cut,
so that together they are the part that was split, whatever the numbers are.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from torchlean_jax.domains._errors import FileFormatError


@dataclass(frozen=True)
class Splits:
    """One cut for each of several parts: value[n] of the graph, its flat entry index[n]
    and the number at[n] (float64)."""

    value: np.ndarray
    index: np.ndarray
    at: np.ndarray


class Tree:
    """Nodes by number, 0 the root; the halves of a split have consecutive numbers.

    Of several trees side by side, the roots are 0, 1, ...
    """

    def __init__(self, roots: int = 1):
        self._lower = np.zeros(roots, np.int64)  # 0, a root, stands for "no halves"
        self._value = np.zeros(roots, np.int32)
        self._index = np.zeros(roots, np.int32)
        self._at = np.zeros(roots)
        self._count = self.roots = roots

    def __len__(self) -> int:
        return self._count

    def split(self, nodes: np.ndarray, splits: Splits) -> np.ndarray:
        """Cut leaves of the tree; the numbers of their lower halves (upper: + 1)."""
        if (self._lower[nodes] != 0).any() or len(np.unique(nodes)) != len(nodes):
            raise ValueError("a node is split once")
        lower = self._count + 2 * np.arange(len(nodes))
        self._reserve(self._count + 2 * len(nodes))
        self._lower[nodes] = lower
        self._value[nodes], self._index[nodes] = splits.value, splits.index
        self._at[nodes] = splits.at
        self._count += 2 * len(nodes)
        return lower

    def _reserve(self, count):
        room = len(self._lower)
        if count > room:
            more = max(room, count - room)
            for name in ("_lower", "_value", "_index", "_at"):
                old = getattr(self, name)
                setattr(self, name, np.concatenate([old, np.zeros(more, old.dtype)]))

    @property
    def leaves(self) -> int:
        return (self._count + self.roots) // 2

    def leaves_below(self) -> np.ndarray:
        """How many leaves each node has below it, or is, by its number."""
        found = np.ones(self._count, np.int64)
        # halves have greater numbers than what they are halves of
        for node in np.flatnonzero(self._lower[: self._count])[::-1].tolist():
            lower = self._lower[node]
            found[node] = found[lower] + found[lower + 1]
        return found

    def preorder(self) -> Iterator[tuple[int, int, float] | None]:
        """Each node before its halves: a cut (value, index, at), or None for a leaf."""
        return (cut for _, cut in self.walk())

    def walk(self, root=0) -> Iterator[tuple[int, tuple[int, int, float] | None]]:
        """The same with the number of each node, of the tree with that root."""
        waiting = [root]
        while waiting:
            node = waiting.pop()
            lower = int(self._lower[node])
            if not lower:
                yield node, None
                continue
            waiting += [lower + 1, lower]
            cut = self._value[node], self._index[node], self._at[node]
            yield node, (int(cut[0]), int(cut[1]), float(cut[2]))

    def above(self, nodes: np.ndarray) -> list[list[tuple[int, int, float, bool]]]:
        """The cuts that lead to each of some nodes, from the root: (value, index, at,
        whether the node is in the upper half)."""
        (cut,) = np.nonzero(self._lower[: self._count])
        parent = np.zeros(self._count, np.int64)
        parent[self._lower[cut]] = parent[self._lower[cut] + 1] = cut
        return [self._path(int(node), parent) for node in nodes]

    def _path(self, node: int, parent) -> list[tuple[int, int, float, bool]]:
        path = []
        while node >= self.roots:
            up = int(parent[node])
            cut = int(self._value[up]), int(self._index[up]), float(self._at[up])
            path.append((*cut, bool(node != self._lower[up])))
            node = up
        return path[::-1]

    def arrays(self) -> dict[str, np.ndarray]:
        """The tree as arrays, from which `from_arrays` makes it again."""
        names = {"lower": self._lower, "value": self._value}
        names |= {"index": self._index, "at": self._at}
        return {name: array[: self._count] for name, array in names.items()}

    def has_leaves(self, nodes: np.ndarray) -> bool:
        """Whether these are different leaves of the tree."""
        known = ((nodes >= 0) & (nodes < self._count)).all()
        different = len(np.unique(nodes)) == len(nodes)
        return bool(known and different and (self._lower[nodes] == 0).all())

    @staticmethod
    def from_arrays(arrays: dict[str, np.ndarray], roots: int = 1) -> "Tree":
        """Raises FileFormatError for arrays that are no tree, or not so many."""
        tree = Tree(roots)
        if not _is_tree(arrays, tree.arrays(), roots):
            raise FileFormatError("no state of a search: its cuts are no tree")
        tree._lower, tree._at = arrays["lower"].copy(), arrays["at"].copy()
        tree._value, tree._index = arrays["value"].copy(), arrays["index"].copy()
        tree._count = len(tree._lower)
        return tree


def _is_tree(arrays, like, roots: int) -> bool:
    """Whether every node but a root is a half of one that was made before it."""
    if {n: a.dtype for n, a in arrays.items()} != {n: a.dtype for n, a in like.items()}:
        return False
    lower = arrays["lower"]
    if (len(lower) - roots) % 2 or {a.shape for a in arrays.values()} != {lower.shape}:
        return False
    (cut,) = np.nonzero(lower)
    halves, all_halves = np.sort(lower[cut]), np.arange(roots, len(lower), 2)
    return bool(np.array_equal(halves, all_halves) and (lower[cut] > cut).all())
