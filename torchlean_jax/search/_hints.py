"""Cuts that somebody else found helpful: where a search may begin, never what it
believes.

A hint is a list of leaves as other verifiers write them, each the decisions that lead
to it. The cuts are made again here, and every leaf is bounded by us; a list that makes
no tree, or leaves something out, costs time and nothing else.
"""

import json
import math
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from torchlean_jax.domains._errors import FileFormatError
from torchlean_jax.search._branch import Search
from torchlean_jax.search._tree import Splits

FORMAT = "torchlean hints, version 1"
_MOST = 2**20  # leaves: more would take longer to read than to find
_TINY = float(np.finfo(np.float64).smallest_normal)

# the flat number of an input, and where it is cut; whether the leaf lies above the cut
Decision = tuple[int, float, bool]
Leaf = tuple[Decision, ...]


def read_hints(given: str | os.PathLike | Mapping) -> list[Leaf]:
    """The leaves of a file of hints, or of what such a file holds.

    That is `{"format": "torchlean hints, version 1", "leaves": [...]}`, each leaf a
    list of decisions `[input, "<=" or ">=", number]` in the order of the cuts. Raises
    FileFormatError for anything else.
    """
    where = "hints" if isinstance(given, Mapping) else os.fspath(given)
    try:
        read = given if isinstance(given, Mapping) else _json(Path(given))
        if read["format"] != FORMAT or len(read["leaves"]) > _MOST:
            raise ValueError("format, or too many leaves")
        return [tuple(map(_decision, leaf)) for leaf in read["leaves"]]
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        raise FileFormatError(
            f"{where}: no list of leaves ({type(error).__name__}: {error}); needed is "
            f'{{"format": "{FORMAT}", "leaves": [[[input, "<=", number], ...], ...]}}'
        ) from error


def _json(path: Path) -> Any:
    return json.loads(path.read_text("utf-8"))


def _decision(given) -> Decision:
    number, side, at = given
    if type(number) is not int or number < 0 or side not in ("<=", ">="):
        raise ValueError(f"{given!r} is no decision")
    if isinstance(at, bool) or not math.isfinite(float(at)):
        raise ValueError(f"{given!r} is no decision")
    return number, float(at), side == ">="


def begin(search: Search, leaves: list[Leaf]) -> None:
    """Cut the root of a search of boxes that has not begun as far as hints agree.

    Parts on whose next cut their leaves differ, or which it would not cut in two, stay
    whole.
    """
    kind: Any = search.kind  # of boxes: cells are cut elsewhere
    root = search.open.pop(1)
    done, waiting = [], [(root, [leaf for leaf in leaves if leaf])]
    while waiting:
        rows, below = waiting.pop()
        cut = _agreed(rows, below)
        if cut is None:
            done.append(rows)
            continue
        axis, at = cut
        value, index = kind.coordinate(axis)
        splits = Splits(np.array([value]), np.array([index]), np.array([at]))
        node = search.tree.split(rows["node"], splits)
        for side, end in ((True, "lo"), (False, "hi")):
            half = {name: array.copy() for name, array in rows.items()}
            half[end][0, axis] = at
            half["node"], half["depth"] = node + side, rows["depth"] + 1
            rest = [leaf[1:] for leaf in below if leaf[0][2] == side]
            waiting.append((half, rest))
    search.given = len(search.tree) // 2
    for rows in done:
        search.open.push(rows)


def _agreed(rows, below: list[Leaf]) -> tuple[int, float] | None:
    """The next cut of a part, if all leaves below begin with the same good one."""
    if not below or not all(below):
        return None
    axis, at, _ = below[0][0]
    if any(leaf[0][:2] != (axis, at) for leaf in below):
        return None
    # XLA would read a subnormal corner as 0
    known = axis < rows["lo"].shape[1] and (at == 0 or abs(at) >= _TINY)
    inside = known and rows["lo"][0, axis] < at < rows["hi"][0, axis]
    return (axis, at) if inside else None
