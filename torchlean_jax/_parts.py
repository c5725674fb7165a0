"""`verify` part by part: the search of `search._branch` as evidence for a verdict."""

import dataclasses
import functools
import pickle
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import jax
import numpy as np

from torchlean_jax import _bounds
from torchlean_jax._problem import is_set
from torchlean_jax._question import Question
from torchlean_jax._refute import Refuting, by_attack
from torchlean_jax._snapshot import Snapshot, snapshot
from torchlean_jax._trace import as_function
from torchlean_jax._verdict import at_least
from torchlean_jax.domains._errors import InputError, SearchFileError
from torchlean_jax.search._boxes import Boxes
from torchlean_jax.search._branch import Branching, Kind, Search
from torchlean_jax.search._cells import Cells, Proofs, clauses
from torchlean_jax.search._executors import Executor, Spread, pickled
from torchlean_jax.search._hints import Hints, begin
from torchlean_jax.search._narrower import Narrower
from torchlean_jax.search._region import Region
from torchlean_jax.search._saved import Slot
from torchlean_jax.search._stop import is_asked_for

_METHODS = ("ibp", "forward", "crown-ibp", "crown")
# After how many rounds an attack has how many times the restarts it was given. The
# points that a search tries anyway find the easy ones; where a search stays open, a
# second look costs little beside it (ACAS Xu 1_9 violates property 7 in a pocket that
# 32 restarts miss and 4096 find).
_ATTACKS = {4: 1, 32: 128}
_MOST_STARTS = 2**20  # elements of all restarts of an attack that is repeated
_MOST_UNDECIDED = 64  # points with an open sign: more would take the time of the search


@dataclass(frozen=True)
class Course:
    """How a search goes: its options, the time (of `time.perf_counter`) at which it
    ends, who watches, whether ends of boxes that forms prove are trimmed, where it is
    kept, and who bounds parts of `model` if not we."""

    options: Branching
    until: float
    watch: Callable[[Search], None] | None = None
    trims: bool = False
    slot: Slot | None = None
    executor: Executor | None = None
    model: Any = None
    hints: Hints = field(default_factory=lambda: Hints([]))

    @property
    def is_over(self) -> bool:
        return is_asked_for() or _is_past(self.until)


def by_parts(
    asked: Question, method, course: Course, attack, seed
) -> tuple[dict, dict]:
    """What a search says, and what a certificate of it rests on: "again" in this finds
    a proof by smaller parts, see `_again`.

    attack: its options, or None if no points are to be tried. Raises InputError for
    sets or a method that the search does not take.
    """
    if course.options.cut == "phases":
        return by_cells(asked, method, course, attack, seed)
    search = Search(_kind(asked, method, course), course.options)
    _restore(search, course.slot)
    if course.hints.leaves and not (search.rounds or search.given):
        begin(search, course.hints.leaves)
    refuting = Refuting(asked)

    def refutes(points):
        if attack is None or refuting.undecided > _MOST_UNDECIDED:
            return None
        return refuting.try_points(points)

    watch = _followed(course, course.slot)
    tried, evidence = [], None
    for rounds, times in _ATTACKS.items():
        attacked = search.rounds > rounds  # before it was kept
        evidence = evidence or search.run(
            lambda last=rounds: course.is_over or search.rounds >= last, refutes, watch
        )
        is_open = search.status == "unknown" and evidence is None
        if is_open and attack is not None and not attacked and not course.is_over:
            found = by_attack(asked, _harder(attack, times, asked), seed)
            tried.append(found.pop("tried"))
            evidence = found or None
    if search.status == "unknown" and evidence is None:
        evidence = search.run(lambda: course.is_over, refutes, watch)
    if evidence is None:
        _keep(search, course.slot)
    found = _said(search, method, evidence, tried, course)

    def again(leaves):
        if not _again([search], leaves, course, watch):
            return None
        return _said(search, method, None, tried, course)

    return found, {"method": method, "tree": search.tree, "again": again}


def _again(
    searches: list[Search], leaves: list[int], course: Course, watch, narrower=None
) -> bool:
    """Whether searches that have ended prove what they proved by smaller parts.

    leaves: which ones are cut, by their number among those of all the trees in turn.
    narrower: of their cells.
    """
    first = 0
    for search in searches:
        nodes = [node for node, cut in search.tree.walk() if cut is None]
        own = [nodes[k - first] for k in leaves if first <= k < first + len(nodes)]
        first += len(nodes)
        if not own:
            continue
        if not search.cut_again(np.array(own)):
            return False
        if narrower is not None:
            narrower.apply()
        search.run(lambda: course.is_over, lambda points: None, watch)
        if search.status != "proved":
            return False
    return True


def _harder(attack, times: int, asked: Question):
    """An attack with so many times the restarts, as far as they stay small."""
    leaves = jax.tree.leaves(asked.args, is_leaf=is_set)
    size = sum(int(np.prod(leaf.shape)) for leaf in leaves if is_set(leaf))
    most = max(_MOST_STARTS // max(size, 1), attack.restarts)
    return dataclasses.replace(attack, restarts=min(times * attack.restarts, most))


def _restore(search, slot: Slot | None) -> None:
    """Go on from the state that was kept, if one was."""
    state = None if slot is None else slot.state
    if state is not None:
        search.restore(state)


def _keep(search, slot: Slot | None) -> None:
    """Put a search into its file. That this is impossible is an error only if somebody
    would have to go on from there."""
    if slot is None:
        return
    try:
        slot.keep(search.state())
    except SearchFileError:
        if search.status == "unknown":
            raise


def _followed(course: Course, slot: Slot | None):
    """The `watch` of a course, which also keeps the search from time to time."""

    def watch(search):
        if slot is not None:
            slot.follow(search.state)
        if course.watch is not None:
            course.watch(search)

    return watch


def by_cells(
    asked: Question, method, course: Course, attack, seed
) -> tuple[dict, dict]:
    """What searches by phases say, one for each clause of the formula, by turns; and
    what a certificate of it rests on.

    The attack comes first: it is the cheapest way to an answer in many inputs.
    """
    if method not in ("crown", "alpha-crown") or asked.where is not None:
        raise InputError(
            "a search by phases bounds cells by crown or alpha-crown, without "
            f"constraints on the inputs; got method {method!r}"
        )
    tried, formula = [], asked.formula
    if attack is not None and (course.slot is None or not course.slot.is_used):
        found = by_attack(asked, attack, seed)
        tried.append(found.pop("tried"))
        if found:
            return found | {"tried": tried[0]}, {}
    keeps = not course.trims  # as a certificate is wanted
    region = Region(asked.model, asked.args, method, keeps, asked.errors)
    refuting = Refuting(asked)

    def refutes(points):
        return None if attack is None else refuting.try_points(points)

    rest = keeps, course.hints.slopes
    asks = [
        (formula.rows[rows], formula.offset[rows], *rest)
        for rows in clauses(formula.shape)
    ]
    kinds = [Cells(region, *ask) for ask in asks]
    spread = _spread(asked, (method, keeps, asked.errors), course, kinds, asks)
    searches = [Search(kind, course.options) for kind in spread]
    slots = [course.slot and course.slot.under(str(k)) for k in range(len(searches))]
    for search, slot in zip(searches, slots, strict=True):
        _restore(search, slot)
        if course.hints.leaves and not (search.rounds or search.given):
            begin(search, course.hints.leaves)
    memory = course.options.memory if keeps else None
    narrower = Narrower(region, searches, memory)
    ends = course.slot and course.slot.under("ends")
    _restore(narrower, ends)
    evidence = _by_turns(searches, slots, course, refutes, narrower, ends)
    found = _said_of_cells(searches, method, evidence, tried, course)
    if evidence is not None:
        return found, {}

    parts = list(zip(kinds, searches, strict=True))
    proofs = Proofs(region, formula.shape, parts, narrower.lemmas)

    def again(leaves):
        before = sum(block.leaves for block in narrower.lemmas or [])
        own = [leaf - before for leaf in leaves]
        if min(own) < 0 or not _again(searches, own, course, course.watch, narrower):
            return None
        return _said_of_cells(searches, method, None, tried, course)

    return found, {"method": method, "cells": proofs, "again": again}


def _said_of_cells(searches, method, evidence, tried, course: Course) -> dict:
    parts = sum(search.parts for search in searches)
    margin = min(search.bound for search in searches)
    left = [search for search in searches if search.status != "proved"]
    tried = [*tried, f"{method} bounds of {parts} cells"]
    if evidence is not None:
        return evidence | {"tried": "; ".join(tried), "parts": parts}
    if left:
        open_cells = sum(len(search.open) for search in left)
        why = _why(open_cells, "cells", course)
        tried.append(f"ended by {why}, {open_cells} cells open")
    tried.append(f"margin at least {at_least(margin)}")
    return {
        "status": "unknown" if left else "proved",
        "margin": margin,
        "tried": "; ".join(tried),
        "parts": parts,
    }


def _by_turns(
    searches: list, slots, course: Course, refutes, narrower: Narrower, ends=None
) -> dict | None:
    """Run searches until all have ended, or one has found evidence, which is returned.
    ends: the slot of what is narrowed for all of them.

    Each has its share of the time that is left, so that a hard one leaves some to those
    after it; what these do not need, the hard ones get in another turn.
    """
    pairs = waiting = list(zip(searches, slots, strict=True))
    while waiting:
        for place, (search, slot) in enumerate(waiting):
            now = time.perf_counter()
            until = now + (course.until - now) / (len(waiting) - place)
            turn = dataclasses.replace(course, until=until)
            watch = _followed(course, slot)

            def is_over(turn=turn, search=search):
                return turn.is_over or narrower.is_due(search)

            evidence = search.run(is_over, refutes, watch)
            while evidence is None and narrower.is_due(search) and not turn.is_over:
                narrower.narrow(lambda: course.is_over)
                if ends is not None:
                    ends.put(narrower.state())
                evidence = search.run(is_over, refutes, watch)
            if evidence is not None:
                return evidence
            _keep(search, slot)
        # late ones, and those that began again
        waiting = [pair for pair in pairs if pair[0].goes_on and not course.is_over]
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
    how = _bounds.how(method)
    batch = course.options.batch
    rest = asked.args, asked.formula, how, batch, asked.errors, course.trims
    kind = Boxes(asked.model, *rest)
    if course.executor is None:
        return kind
    recipe = functools.partial(_elsewhere, asked.model.digest(), course.model, *rest)
    return Spread(kind, course.executor, recipe)


def _elsewhere(digest, model, args, *rest) -> Kind:
    """The boxes of a model in another process."""
    return Boxes(_same(digest, model, args), args, *rest)


def _same(digest, model, args) -> Snapshot:
    """The model in another process, where it has to be the same one."""
    found = snapshot(as_function(model), args, is_set)
    if found.digest() != digest:
        raise InputError("in another process the model is traced to another program")
    return found


def _spread(asked: Question, how, course: Course, kinds, asks) -> list[Kind]:
    """Cells as they are, or bounded by an executor. how: what a region is told."""
    if course.executor is None:
        return kinds
    region = pickled((asked.model.digest(), course.model, asked.args, how))
    return [
        Spread(kind, course.executor, functools.partial(_cells_elsewhere, region, *ask))
        for kind, ask in zip(kinds, asks, strict=True)
    ]


def _cells_elsewhere(region: bytes, *ask) -> Kind:
    """The cells of a clause in another process."""
    return Cells(_region_elsewhere(region), *ask)


@functools.lru_cache(maxsize=1)
def _region_elsewhere(blob: bytes) -> Region:
    """Once for all clauses: what their cells have in common."""
    digest, model, args, how = pickle.loads(blob)
    return Region(_same(digest, model, args), args, *how)


def _said(search, method, evidence: dict | None, tried, course: Course) -> dict:
    tried = [f"{method} bounds of {search.parts} parts", *tried]
    if evidence is not None:
        return evidence | {"tried": "; ".join(tried), "parts": search.parts}
    if search.status == "unknown":
        why = _why(len(search.open), "parts", course)
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


def _why(count, noun, course: Course) -> str:
    """What ended a search that left `count` parts open."""
    if not count:
        return f"{noun} that cannot be cut"
    if is_asked_for():
        return "interruption"
    return "time" if course.is_over else f"the number of {noun}"
