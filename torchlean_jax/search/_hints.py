"""Cuts and slopes that somebody else found helpful: where a search may begin, never
what it believes.

A hint is a list of leaves as other verifiers write them, each the decisions that lead
to it, and slopes of lower lines, neuron by neuron. The cuts are made again here, and
every leaf is bounded by us; a list that makes no tree, or leaves something out, costs
time and nothing else. Any slope from 0 to 1 gives a bound, which we compute.
"""

import json
import math
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from torchlean_jax.domains._errors import FileFormatError
from torchlean_jax.search._branch import Search

FORMAT = "torchlean hints, version 1"
_MOST = 2**20  # leaves: more would take longer to read than to find
_MOST_SLOPES = 2**24


class InputCut(NamedTuple):
    """Across the flat number of an input, all boxes end to end, at a number."""

    axis: int
    at: float


class PhaseCut(NamedTuple):
    """Where an element of the operand of the layer-th ReLU changes its phase."""

    layer: int
    element: int


# a cut, and whether the leaf lies above it
Decision = tuple[InputCut | PhaseCut, bool]
Leaf = tuple[Decision, ...]


@dataclass(frozen=True)
class Hints:
    """leaves: of a tree of cuts. slopes: flat, in [0, 1], of each layer; or none."""

    leaves: list[Leaf]
    slopes: tuple[np.ndarray, ...] = ()


def read_hints(given: str | os.PathLike | Mapping) -> Hints:
    """A file of hints, or what such a file holds.

    That is `{"format": "torchlean hints, version 1", "leaves": [...], "slopes":
    [...]}`, one of the two at least. Each leaf is a list of decisions in the order of
    the cuts, `[input, "<=" or ">=", number]` or, about a ReLU, `[layer, element, "<="
    or ">="]`. Slopes are a list of numbers from 0 to 1 for each layer. Raises
    FileFormatError for anything else.
    """
    where = "hints" if isinstance(given, Mapping) else os.fspath(given)
    try:
        read = given if isinstance(given, Mapping) else _json(Path(given))
        if read["format"] != FORMAT or len(read.get("leaves", ())) > _MOST:
            raise ValueError("format, or too many leaves")
        slopes = read["slopes"] if "leaves" not in read else read.get("slopes", [])
        if sum(map(len, slopes)) > _MOST_SLOPES:
            raise ValueError("too many slopes")
        leaves = [tuple(map(_decision, leaf)) for leaf in read.get("leaves", ())]
        return Hints(leaves, tuple(map(_slopes, slopes)))
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        raise FileFormatError(
            f"{where}: neither leaves nor slopes ({type(error).__name__}: {error}); "
            f'needed is {{"format": "{FORMAT}", "leaves": [[[input, "<=", number], '
            '...], ...], "slopes": [[0.5, ...], ...]}'
        ) from error


def _json(path: Path) -> Any:
    return json.loads(path.read_text("utf-8"))


def _decision(given) -> Decision:
    first, second, third = given
    side, rest = (third, second) if third in _SIDES else (second, third)
    if not _is_number(first) or side not in _SIDES:
        raise ValueError(f"{given!r} is no decision")
    if side is third:
        if not _is_number(rest):
            raise ValueError(f"{given!r} is no decision")
        return PhaseCut(first, rest), _SIDES[side]
    if isinstance(rest, bool) or not math.isfinite(float(rest)):
        raise ValueError(f"{given!r} is no decision")
    return InputCut(first, float(rest)), _SIDES[side]


_SIDES = {"<=": False, ">=": True}


def _is_number(x) -> bool:
    return type(x) is int and x >= 0


def _slopes(given) -> np.ndarray:
    """Beyond 0 and 1 a line need not be below the function."""
    slopes = np.asarray(given)
    if slopes.dtype.kind not in "if" or slopes.ndim != 1:
        raise ValueError("slopes of a layer are a list of numbers")
    if not ((slopes >= 0) & (slopes <= 1)).all():
        raise ValueError("a slope is a number from 0 to 1")
    return slopes.astype(np.float64)


def begin(search: Search, leaves: list[Leaf]) -> None:
    """Cut the root of a search that has not begun as far as hints agree.

    Parts on whose next cut their leaves differ, or which it would not cut in two, stay
    whole.
    """
    kind: Any = search.kind
    root = search.open.pop(1)
    done, waiting = [], [(root, [leaf for leaf in leaves if leaf])]
    while waiting:
        rows, below = waiting.pop()
        cut = _agreed(below)
        found = None if cut is None else kind.halves(rows, cut)
        if found is None:
            done.append(rows)
            continue
        splits, *halves = found
        node = search.tree.split(rows["node"], splits)
        for side, half in enumerate(halves):
            half["node"], half["depth"] = node + side, rows["depth"] + 1
            rest = [leaf[1:] for leaf in below if leaf[0][1] == bool(side)]
            waiting.append((half, rest))
    search.given = len(search.tree) // 2
    for rows in done:
        search.open.push(rows)


def _agreed(below: list[Leaf]) -> InputCut | PhaseCut | None:
    """The next cut of a part, if all leaves below begin with the same one."""
    if not below or not all(below):
        return None
    cut, _ = below[0][0]
    return None if any(leaf[0][0] != cut for leaf in below) else cut
