"""The sub-problems that are still open: arrays with one row for each.

Which sub-problem comes next is decided here; what one is, is not known.
"""

import numpy as np

Rows = dict[str, np.ndarray]


class Frontier:
    """Open sub-problems, the least bounded first.

    A row has `bound`, a lower bound of the property on its part of the inputs, and
    `node`, its number in the tree; the other arrays belong to the kind of sub-problem.
    Once they take `memory` bytes, the latest come first instead: their parts are the
    smallest, so they are settled soonest, and the arrays stop growing.
    """

    def __init__(self, rows: Rows, memory: int):
        self._arrays = {name: array.copy() for name, array in rows.items()}
        self._count = len(rows["node"])
        self._memory = memory

    def __len__(self) -> int:
        return self._count

    @property
    def rows(self) -> Rows:
        """All open sub-problems."""
        return {name: a[: self._count] for name, a in self._arrays.items()}

    @property
    def is_full(self) -> bool:
        width = sum(a[:1].nbytes for a in self._arrays.values())
        return self._count * width >= self._memory

    def least(self) -> float:
        """The least bound of an open sub-problem; inf if there is none."""
        return float(np.min(self.rows["bound"], initial=np.inf))

    def pop(self, count: int) -> Rows:
        """Take out at most `count` sub-problems."""
        count = min(count, self._count)
        chosen = self._latest(count) if self.is_full else self._worst(count)
        taken = {name: a[chosen] for name, a in self._arrays.items()}
        kept = self._count - count
        moved = np.setdiff1d(np.arange(kept, self._count), chosen)
        holes = chosen[chosen < kept]
        for array in self._arrays.values():
            array[holes] = array[moved]
        self._count = kept
        return taken

    def _worst(self, count):
        rows = self.rows
        if count == self._count:
            chosen = np.arange(count)
        else:
            chosen = np.argpartition(rows["bound"], count)[:count]
        # an order of their own, whatever their places are
        return chosen[np.lexsort((rows["node"][chosen], rows["bound"][chosen]))]

    def _latest(self, count):
        nodes = self.rows["node"]
        chosen = np.argpartition(nodes, self._count - count)[self._count - count :]
        return chosen[np.argsort(nodes[chosen])]

    def push(self, rows: Rows) -> None:
        more = len(rows["node"])
        room = len(self._arrays["node"])
        if self._count + more > room:
            room = max(2 * room, self._count + more)
            self._arrays = {n: _grown(a, room) for n, a in self._arrays.items()}
        for name, array in self._arrays.items():
            array[self._count : self._count + more] = rows[name]
        self._count += more


def _grown(array, room):
    return np.concatenate(
        [array, np.empty((room - len(array), *array.shape[1:]), array.dtype)]
    )
