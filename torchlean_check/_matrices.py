"""Matrices of integers times long integers: nearly all of the work of a check.

By Python's own integers, or by python-flint where the caller asks for it: the products
are the same integers, by a library that has then to be trusted for them.
"""

import contextlib
import contextvars
from itertools import compress
from operator import mul
from typing import Any

ARITHMETICS = ("python", "flint")
_flint: contextvars.ContextVar[Any] = contextvars.ContextVar("flint", default=None)


@contextlib.contextmanager
def arithmetic(name: str):
    """Products within are by `name`. Yields what to call it, with its version.

    Raises ValueError for an unknown name, ImportError where flint is not installed.
    """
    if name not in ARITHMETICS:
        raise ValueError(f"arithmetic {name!r}: choose one of {', '.join(ARITHMETICS)}")
    if name == "python":
        library, said = None, name
    else:
        import flint as library

        said = f"{name} {library.__version__}"
    token = _flint.set(library)
    try:
        yield said
    finally:
        _flint.reset(token)


def dot(xs, ys) -> int:
    return sum(map(mul, xs, ys))


class Matrix:
    def __init__(self, rows: list[list[int]]):
        self.rows = rows
        self._packed: Any = None  # the same in the words of flint, once it was wanted

    def times(self, xs: list[int], wanted=None) -> list[int]:
        """Each row times xs; where wanted[k] is false, result k is 0.

        Zeros among xs cost little.
        """
        if not any(xs):
            return [0] * len(self.rows)
        if library := _flint.get():
            return self._by(library, xs, wanted)
        used = None
        if not all(xs):
            used = list(map(bool, xs))
            xs = list(compress(xs, used))
        rows = self.rows if used is None else (compress(row, used) for row in self.rows)
        if wanted is None:
            return [dot(row, xs) for row in rows]
        return [
            dot(row, xs) if some else 0 for row, some in zip(rows, wanted, strict=True)
        ]

    def _by(self, library, xs: list[int], wanted) -> list[int]:
        if self._packed is None:
            self._packed = library.fmpz_mat(self.rows)
        found = (self._packed * library.fmpz_mat(len(xs), 1, xs)).entries()
        if wanted is None:
            return list(map(int, found))
        return [int(a) if some else 0 for a, some in zip(found, wanted, strict=True)]
