"""Where a surface is not, as a document that `torchlean_check` re-derives.

Cells and segments are looked for with the checker's own exact steps, as in
`_documents`: what is written is accepted.
"""

from collections.abc import Callable
from fractions import Fraction
from typing import Any

import jax
import numpy as np

from torchlean_check import _surfaces
from torchlean_check._errors import NotProved
from torchlean_check._programs import Program, read_program, values
from torchlean_check._subdivision import halves
from torchlean_jax.domains._errors import CertificateWriteError, InputError
from torchlean_jax.science._documents import _accepted, _pairs, _text
from torchlean_jax.science._program import written

_ROUNDS = 16  # a tree has at most 200,000 letters
_AHEAD = 64  # steps of the tolerance in which the other sign is looked for


def surface_document(
    f: Callable,
    lo: Any,
    hi: Any,
    *,
    rounds: int = 9,
    origin: Any = None,
    directions: Any = (),
    far: float = 1.0,
    tolerance: float = 2.0**-7,
) -> bytes:
    """A certificate of cells of a box, and of rays, without a point of {f = 0}.

    f: a scalar function of shape (n,), n at most 8, of the primitives that
        `stability_document` takes. lo, hi: the box, of which each part is halved at
        most `rounds` times. origin, directions, far, tolerance: of rays, as of `trace`.

    The cells are those of the checker, which bounds f by its slopes in exact intervals:
    not those of `free_cells`, but found in the same way.

    Raises InputError for a box without an inside or rays without a direction,
    CertificateWriteError where nothing is free or a ray begins at the surface, and
    MissingRuleError listing the primitives that have no step in programs.

    >>> import torchlean_check
    >>> from torchlean_jax.science import surface_document
    >>> document = surface_document(lambda x: x @ x - 1.0, [0.0] * 2, [2.0] * 2,
    ...                             origin=[2.0, 0.0], directions=[[-1.0, 0.0]], far=4)
    >>> torchlean_check.check(document).accepted
    True
    """
    box = _pairs(lo, hi)
    if any(a >= b for a, b in box):
        raise InputError(f"a box with an inside is needed; got {lo} and {hi}")
    directions = np.asarray(directions, np.float64).reshape(-1, len(box))
    if not (np.isfinite(directions).all() and directions.any(1).all()):
        raise InputError("directions must be finite, and none of them 0")
    if not 0 < tolerance < far < np.inf or not 0 <= rounds <= _ROUNDS:
        raise InputError(f"0 < tolerance < far and rounds of 0 to {_ROUNDS} are needed")
    start = [] if origin is None else [a for a, _ in _pairs(origin, origin)]
    if len(directions) and len(start) != len(box):
        raise InputError(f"rays need an origin of shape ({len(box)},); got {origin}")
    with jax.enable_x64(True):
        entry = written(f, [(len(box),)])
    if len(entry["outputs"]) != 1:
        raise InputError("f must return a scalar")
    program = read_program(entry, "function", len(box), 1)
    rays = [
        _followed(program, start, list(map(Fraction, along)), far, tolerance, k)
        for k, along in enumerate(directions.tolist())
    ]
    tree = "".join(_tree(program, box, rounds))
    if _surfaces.FREE not in tree and not rays:
        raise CertificateWriteError("no certificate: no cell is seen to be free")
    return _accepted({
        "format": "torchlean-surface", "version": 1, "size": len(box),
        "function": entry, "box": _text(box), "tree": tree, "rays": rays,
    })  # fmt: skip


def _tree(program: Program, box, rounds: int):
    """Letter by letter; sides are cut in turn."""
    waiting = [(box, 0)]
    while waiting:
        part, depth = waiting.pop()
        if _sign(lambda part=part: _surfaces.over_box(program, part)):
            yield _surfaces.FREE
        elif depth == rounds:
            yield _surfaces.OPEN
        else:
            axis = depth % len(box)
            yield str(axis)
            lower, upper = halves(part, axis)
            waiting += [(upper, depth + 1), (lower, depth + 1)]


def _sign(enclosure: Callable) -> int:
    try:
        return _surfaces.sign(enclosure())
    except NotProved:  # f is not defined on all of it
        return 0


def _followed(program, origin, along, far: float, tolerance: float, number: int):
    """A ray as it is written: as long a segment as is free, else half of it."""
    ray = _surfaces.Ray(origin, along)
    end, least = Fraction(far), Fraction(tolerance)
    clear, step, ends, first = Fraction(0), end / 4, [], 0
    while step >= least and clear < end:
        to = min(clear + step, end)
        found = _sign(lambda a=clear, b=to: ray.over(program, a, b))
        if found:
            clear, step, first = to, 2 * step, found
            ends.append(str(to))
        else:
            step /= 2
    if not ends:
        raise CertificateWriteError(f"no certificate: ray {number} begins at {{f = 0}}")
    met = None
    for k in range(1, _AHEAD + 1 if clear < end else 1):
        to = min(clear + k * least, end)
        if _sign(lambda to=to: values(program, ray.at(to))[0]) == -first:
            if _defined(lambda to=to: ray.over(program, clear, to)):
                met = str(to)
            break
    shown = {"origin": origin, "direction": along}
    return {k: list(map(str, v)) for k, v in shown.items()} | {"ends": ends, "met": met}


def _defined(enclosure: Callable) -> bool:
    try:
        enclosure()
    except NotProved:
        return False
    return True
