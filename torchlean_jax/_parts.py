"""`verify` part by part: the search of `search._branch` as evidence for a verdict."""

import functools
import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from torchlean_jax import _bounds, _execution
from torchlean_jax._question import Question
from torchlean_jax._refute import Refuting, by_attack
from torchlean_jax._verdict import at_least
from torchlean_jax.domains._errors import InputError
from torchlean_jax.search._boxes import Boxes
from torchlean_jax.search._branch import Branching, Kind, Search
from torchlean_jax.search._cells import Cells, Region, clauses

_METHODS = ("ibp", "forward", "crown-ibp", "crown")
_ROUNDS_BEFORE_ATTACK = 4  # the points that a search tries anyway find the easy ones
_MOST_UNDECIDED = 64  # points with an open sign: more would take the time of the search


@dataclass(frozen=True)
class Course:
    """How a search goes: its options, the time (of `time.perf_counter`) at which it
    ends, who watches, and whether ends of boxes that forms prove are trimmed."""

    options: Branching
    until: float
    watch: Callable[[Search], None] | None = None
    trims: bool = False


def by_parts(
    asked: Question, method, course: Course, attack, seed
) -> tuple[dict, dict | None]:
    """What a search says, and what a certificate of it rests on.

    attack: its options, or None if no points are to be tried. Raises InputError for
    sets or a method that the search does not take.
    """
    if course.options.cut == "phases":
        return by_cells(asked, method, course, attack, seed), None
    search = Search(_kind(asked, method, course), course.options)
    refuting = Refuting(asked)

    def refutes(points):
        if attack is None or refuting.undecided > _MOST_UNDECIDED:
            return None
        return refuting.try_points(points)

    is_over = functools.partial(_is_past, course.until)
    first = iter(range(_ROUNDS_BEFORE_ATTACK))
    evidence = search.run(
        lambda: is_over() or next(first, None) is None, refutes, course.watch
    )
    tried = []
    if search.status == "unknown" and attack is not None and not is_over():
        found = by_attack(asked, attack, seed)
        tried.append(found.pop("tried"))
        evidence = found or None
    if search.status == "unknown" and evidence is None:
        evidence = search.run(is_over, refutes, course.watch)
    found = _said(search, method, evidence, tried, is_over())
    return found, {"method": method, "tree": search.tree}


def by_cells(asked: Question, method, course: Course, attack, seed) -> dict:
    """What searches by phases say, one for each clause of the formula, by turns.

    The attack comes first: it is the cheapest way to an answer in many inputs.
    """
    if method not in ("crown", "alpha-crown") or asked.where is not None:
        raise InputError(
            "a search by phases bounds cells by crown or alpha-crown, without "
            f"constraints on the inputs; got method {method!r}"
        )
    tried, formula = [], asked.formula
    if attack is not None:
        found = by_attack(asked, attack, seed)
        tried.append(found.pop("tried"))
        if found:
            return found | {"tried": tried[0]}
    region, slack = Region(asked.model, asked.args, method), _slack(asked)
    refuting = Refuting(asked)

    def refutes(points):
        return None if attack is None else refuting.try_points(points)

    kinds = (
        Cells(region, formula.rows[rows], formula.offset[rows], slack[rows])
        for rows in clauses(formula.shape)
    )
    searches = [Search(kind, course.options) for kind in kinds]
    evidence = _by_turns(searches, course, refutes)
    parts = sum(search.parts for search in searches)
    margin = min(search.bound for search in searches)
    left = [search for search in searches if search.status != "proved"]
    tried.append(f"{method} bounds of {parts} cells")
    if evidence is not None:
        return evidence | {"tried": "; ".join(tried), "parts": parts}
    if left:
        open_cells = sum(len(search.open) for search in left)
        why = _why(open_cells, "cells", _is_past(course.until))
        tried.append(f"ended by {why}, {open_cells} cells open")
    tried.append(f"margin at least {at_least(margin)}")
    status = "unknown" if left else "proved"
    return {
        "status": status,
        "margin": margin,
        "tried": "; ".join(tried),
        "parts": parts,
    }


def _by_turns(searches: list[Search], course: Course, refutes) -> dict | None:
    """Run searches until all have ended, or one has found evidence, which is returned.

    Each has its share of the time that is left, so that a hard one leaves some to those
    after it; what these do not need, the hard ones get in another turn.
    """
    waiting = searches
    while waiting:
        late = []
        for place, search in enumerate(waiting):
            now = time.perf_counter()
            until = now + (course.until - now) / (len(waiting) - place)
            ended = functools.partial(_is_past, until)
            evidence = search.run(ended, refutes, course.watch)
            if evidence is not None:
                return evidence
            if _is_past(until) and search.goes_on and not _is_past(course.until):
                late.append(search)
        waiting = late
    return None


def _is_past(until: float) -> bool:
    return time.perf_counter() >= until


def _kind(asked: Question, method, course: Course) -> Kind:
    if method not in _METHODS:
        raise InputError(
            f"a search bounds parts by {', '.join(_METHODS)}; got method {method!r}"
        )
    if asked.where is not None:
        raise InputError("a search by parts takes no constraints on its inputs")
    how, batch, formula = _bounds.how(method), course.options.batch, asked.formula
    slack, trims = _slack(asked), course.trims
    return Boxes(asked.model, asked.args, formula, how, batch, slack, trims)


def _slack(asked: Question):
    """What a run can be off by on the whole set, and so on each part."""
    slack = np.zeros(len(asked.formula.offset))
    if asked.errors is None:
        return slack
    return -_execution.lowered_by_rounding(
        slack, asked.model, asked.args, asked.formula.rows, asked.errors
    )


def _said(search, method, evidence: dict | None, tried, out_of_time) -> dict:
    tried = [f"{method} bounds of {search.parts} parts", *tried]
    if evidence is not None:
        return evidence | {"tried": "; ".join(tried), "parts": search.parts}
    if search.status == "unknown":
        why = _why(len(search.open), "parts", out_of_time)
        tried.append(f"ended by {why}, {len(search.open)} parts open")
    margin = search.bound
    tried.append(f"margin at least {at_least(margin)}")
    return {
        "status": search.status,
        "margin": margin,
        "tried": "; ".join(tried),
        "parts": search.parts,
        "proved_share": search.proved_share,
    }


def _why(count, noun, out_of_time) -> str:
    """What ended a search that left `count` parts open."""
    if not count:
        return f"{noun} that cannot be cut"
    return "time" if out_of_time else f"the number of {noun}"
