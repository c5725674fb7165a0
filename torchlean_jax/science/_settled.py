"""Loops as the checker reads them, and boxes that it settles without cutting the rest.

In many dimensions the cells of a box are too many, and all of it has to be a
neighbourhood N of 0: what is asked of N, and how it is cut, is in
`torchlean_check._nearby`. `lyapunov` and the documents use the same steps.
"""

from collections.abc import Callable
from fractions import Fraction

import jax
import numpy as np

from torchlean_check._errors import NotProved
from torchlean_check._loops import Loop
from torchlean_check._nearby import require_near
from torchlean_check._programs import read_program
from torchlean_check._stability import least_on_faces
from torchlean_jax.domains._errors import MissingRuleError
from torchlean_jax.science._program import written

CUT = 3  # states up to which the rest of a box can be cut into cells
MANY = 4000  # cells of a box in more than that


def programs(f: Callable, V: Callable, size: int) -> tuple[dict, dict]:
    """f and V as a document has them."""
    with jax.enable_x64(True):
        return written(f, [(size,)]), written(V, [(size,)])


def loop_of(field: dict, function: dict, size: int) -> Loop:
    return Loop(read_program(field, "field", size, size),
                read_program(function, "function", size, 1), size)  # fmt: skip


def settled(
    f: Callable, V: Callable, lo: np.ndarray, hi: np.ndarray, level: float
) -> int | None:
    """Of how many cells all of the box is a neighbourhood of 0 with V > level on its
    faces; None if that is not seen."""
    size = len(lo)
    box = [(Fraction(a), Fraction(b)) for a, b in zip(lo, hi, strict=True)]
    try:
        loop = loop_of(*programs(f, V, size), size)
        lower, seen = require_near(loop, box, Fraction(level), MANY)
    except (NotProved, MissingRuleError):
        return None
    return seen if least_on_faces(lower, box) > level else None
