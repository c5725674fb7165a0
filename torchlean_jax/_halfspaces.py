"""`halfspaces`: linear constraints among the inputs, beside the sets they come from."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from torchlean_jax._rows import exact_rows
from torchlean_jax.domains._errors import InputError


@dataclass(frozen=True, eq=False)
class Halfspaces:
    """The inputs x with A @ x >= b, faces included. `tl.halfspaces` checks.

    A: float64[m, n]; b: float64[m]; x: the elements of all input sets of a call,
    flattened and concatenated in the order of `jax.tree.leaves`.
    """

    A: np.ndarray
    b: np.ndarray

    def parts(self, shapes: Sequence[tuple[int, ...]]) -> list[np.ndarray]:
        """A as one array [m, *shape] for each input set.

        Raises InputError if the sets do not have as many elements as A has columns.
        """
        sizes = [int(np.prod(shape)) for shape in shapes]
        if sum(sizes) != self.A.shape[1]:
            raise InputError(
                f"A has {self.A.shape[1]} columns; the input sets hold {sum(sizes)} "
                f"numbers ({', '.join(str(list(shape)) for shape in shapes)})"
            )
        cuts = np.cumsum(sizes)[:-1]
        pieces = np.split(self.A, cuts, axis=1)
        return [
            piece.reshape(len(self.b), *shape)
            for piece, shape in zip(pieces, shapes, strict=True)
        ]

    def __repr__(self):
        return f"halfspaces: {len(self.b)} in {self.A.shape[1]} numbers"


def halfspaces(A: Any, b: Any = 0) -> Halfspaces:
    """The inputs x with `A @ x >= b`: constraints for `tl.verify(..., where=)`.

    x: the elements of all input sets of that call, flattened and concatenated in the
    order of `jax.tree.leaves` (so a constraint may tie two inputs together). A: [m, n],
    or [n] for a single row. b: [m] or a scalar. Both are taken as the exact numbers
    they hold. An equation is two rows: A x >= b and -A x >= -b.

    Raises InputError for what is not finite, not real, subnormal in float64 or of the
    wrong shape.

    >>> halfspaces([1.0, -1.0])  # the first input is at least the second
    halfspaces: 1 in 2 numbers
    """
    return Halfspaces(*exact_rows(A, b, "A", "b"))
