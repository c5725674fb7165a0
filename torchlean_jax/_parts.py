"""`verify` part by part: the search of `search._branch` as evidence for a verdict."""

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
    ends, and who watches."""

    options: Branching
    until: float
    watch: Callable[[Search], None] | None = None


def by_parts(
    asked: Question, method, course: Course, attack, seed
) -> tuple[dict, dict | None]:
    """What a search says, and what a certificate of it rests on.

    attack: its options, or None if no points are to be tried. Raises InputError for
    sets or a method that the search does not take.
    """
    if course.options.cut == "phases":
        return by_cells(asked, method, course, attack, seed), None
    search = Search(_kind(asked, method, course.options), course.options)
    refuting = Refuting(asked)

    def refutes(points):
        if attack is None or refuting.undecided > _MOST_UNDECIDED:
            return None
        return refuting.try_points(points)

    def is_over():
        return time.perf_counter() >= course.until

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
    """What searches by phases say, one after the other for each clause of the formula.

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
    parts, margin, left, evidence = 0, np.inf, [], None
    region, slack = Region(asked.model, asked.args, method), _slack(asked)
    refuting = Refuting(asked)

    def refutes(points):
        return None if attack is None else refuting.try_points(points)

    def is_over():
        return time.perf_counter() >= course.until

    for rows in clauses(formula.shape):
        kind = Cells(region, formula.rows[rows], formula.offset[rows], slack[rows])
        search = Search(kind, course.options)
        evidence = search.run(is_over, refutes, course.watch)
        parts, margin = parts + search.parts, min(margin, search.bound)
        if evidence is not None:
            break
        if search.status != "proved":
            left.append(search)
    tried.append(f"{method} bounds of {parts} cells")
    if evidence is not None:
        return evidence | {"tried": "; ".join(tried), "parts": parts}
    if left:
        open_cells = sum(len(search.open) for search in left)
        why = "time" if is_over() else "cells that cannot be cut"
        tried.append(f"ended by {why}, {open_cells} cells open")
    tried.append(f"margin at least {at_least(margin)}")
    status = "unknown" if left else "proved"
    return {
        "status": status,
        "margin": margin,
        "tried": "; ".join(tried),
        "parts": parts,
    }


def _kind(asked: Question, method, options: Branching) -> Kind:
    if method not in _METHODS:
        raise InputError(
            f"a search bounds parts by {', '.join(_METHODS)}; got method {method!r}"
        )
    if asked.where is not None:
        raise InputError("a search by parts takes no constraints on its inputs")
    how, slack = _bounds.how(method), _slack(asked)
    return Boxes(asked.model, asked.args, asked.formula, how, options.batch, slack)


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
        why = "parts that cannot be cut"
        if len(search.open):
            why = "time" if out_of_time else "the number of parts"
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
