"""What proved parts were proved with, for the certificate of a search.

Parts that any run of their bound method proves again have none.
"""

import numpy as np

from torchlean_jax.domains._errors import FileFormatError
from torchlean_jax.search._frontier import Rows


class Evidence:
    """Rows of parts by `node`, their number in the tree.

    Beyond `memory` bytes everything is dropped, and no certificate can be written.
    """

    def __init__(self, memory: int):
        self._parts: list[Rows] = []
        self._left = memory

    def add(self, rows: Rows) -> None:
        """Raises FileFormatError for arrays of different lengths."""
        if not rows:
            return
        if len({a.shape[:1] for a in rows.values()}) != 1 or rows["node"].ndim != 1:
            raise FileFormatError("no state of a search: its evidence is damaged")
        self._left -= sum(a.nbytes for a in rows.values())
        self._parts.append(rows)
        if self._left < 0:
            self._parts = []

    @property
    def is_dropped(self) -> bool:
        return self._left < 0

    @property
    def rows(self) -> Rows:
        """All of them, in the order in which the parts were proved."""
        if not self._parts:
            return {}
        names = self._parts[0]
        return {n: np.concatenate([p[n] for p in self._parts]) for n in names}
