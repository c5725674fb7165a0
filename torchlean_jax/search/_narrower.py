"""Enclosures narrowed for searches of a region, deeper as one of them proves harder."""

from collections.abc import Callable

import numpy as np

from torchlean_jax.domains._errors import FileFormatError
from torchlean_jax.search._branch import Search
from torchlean_jax.search._frontier import Rows
from torchlean_jax.search._lemmas import Lemmas
from torchlean_jax.search._region import Region
from torchlean_jax.search._settled import settled

# After so many parts of a clause, cuts in a row of searches that narrow what is cut:
# each takes two to three times as long as the one before. All were chosen
# on mnist_fc 256x4 and 256x6, which are no blind test of them.
_AFTER = {16: 5, 64: 8, 256: 11, 1024: 14}
_AT_ONCE = (1, 0)  # where the enclosures of the region wait for it


class Narrower:
    """Narrows what is cut for the cells of some searches, all alike.

    memory: bytes that what proves the ends may take, for a certificate; None if none is
    wanted. lemmas: that proof; None if there is none, or it took more.
    """

    def __init__(self, region: Region, searches: list[Search], memory=None):
        self._region, self._searches, self._ends = region, searches, None
        self._left = list(_AFTER.items()) if region.can_settle else []
        if region.is_unsettled:
            self._left.insert(0, _AT_ONCE)
        self._memory = memory
        self.lemmas: list[Lemmas] | None = None if memory is None else []

    def is_due(self, search: Search) -> bool:
        return bool(self._left) and search.parts >= self._left[0][0] and search.goes_on

    def narrow(self, is_over: Callable[[], bool]) -> None:
        _, depth = self._left.pop(0)
        self._ends = settled(self._region, depth, self._ends, is_over, self.lemmas)
        if self._memory is not None:
            size = sum(block.size for block in self.lemmas or [])
            self.lemmas = None if size > self._memory else self.lemmas
            self._start_again()
        self.apply()

    def _start_again(self) -> None:
        """The checker derives all parts with the same ends, the last ones, from which
        the same choices make other bounds, better and worse ones."""
        for search in self._searches:
            if not search.given:
                search.start()

    def apply(self) -> None:
        """Narrow the enclosures of all open cells by what was found."""
        ends = self._ends
        if ends is None:
            return
        for search in self._searches:
            for cells in (search.open, search.stuck):
                rows = cells.rows  # views
                np.maximum(rows["lo"], ends["lo"], out=rows["lo"])
                np.minimum(rows["hi"], ends["hi"], out=rows["hi"])

    def state(self) -> Rows:
        """All of it as arrays, from which `restore` makes it again."""
        found = {"left": np.array(len(self._left))}
        found |= {f"ends.{name}": array for name, array in (self._ends or {}).items()}
        found["lemmas"] = np.array(-1 if self.lemmas is None else len(self.lemmas))
        for k, block in enumerate(self.lemmas or []):
            found |= {f"{k}.{name}": array for name, array in block.arrays().items()}
        return found

    def restore(self, state: Rows) -> None:
        """Go on from a state of the same searches.

        Raises FileFormatError for arrays that are no such state.
        """
        try:
            left, count = int(state["left"]), int(state["lemmas"])
            ends = {name: state[f"ends.{name}"] for name in ("lo", "hi")}
            ends = {name: end.astype(np.float32) for name, end in ends.items()}
        except (KeyError, TypeError) as error:
            raise FileFormatError("no state of a search: ends are missing") from error
        self._left = self._left[len(self._left) - left :]
        self._ends = ends
        self.lemmas = None if count < 0 else [_block(state, k) for k in range(count)]


def _block(state: Rows, number: int) -> Lemmas:
    start = f"{number}."
    own = {n[len(start) :]: a for n, a in state.items() if n.startswith(start)}
    return Lemmas.from_arrays(own)
