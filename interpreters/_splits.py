"""Which element of a cell to cut next.

Nothing here needs to be right: the halves of a cell cover it whatever the choice is.

The bound of a cell is reached at some input x by the linear form that was substituted;
what the relaxation of an element gives away *there* is what cutting it can win back.
The intercept of the upper line, the score of BaBSR, is what an element of a switch can
give away at most, at any x; it counts for little here, so that there is an order where
no loss is left at x. (No fair comparison of the two is on record.)

Of the largest losses, both halves are bounded with the choices of the whole, and the
product of the gains decides, as in mixed-integer programming.

Sources: Bunel et al. 2020 (arXiv:1909.06588); look-ahead, De Palma et al. 2021
(arXiv:2104.06718); product rule, Achterberg 2007 (thesis, section 5.2).
"""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from torchlean_jax.domains.interval import Interval
from torchlean_jax.interpreters._ascent import Choices
from torchlean_jax.interpreters._backward import substituted
from torchlean_jax.interpreters._cells import Target, lower_with, started
from torchlean_jax.interpreters._given_away import given_away
from torchlean_jax.interpreters._looseness import minimiser, values_at
from torchlean_jax.interpreters._phases import (
    Bend,
    Switch,
    Whole,
    cut_again,
    cut_at,
    known_of,
    on_cell,
)
from torchlean_jax.interpreters._steps import prepared_key

_LEAST_GAIN = 1e-6
_INTERCEPT = 0.01  # its weight beside the loss: decides where no loss is left
_ANY = 1e-12  # keeps every free element in the order; none of the three was tuned


class Ranking(NamedTuple):
    """Elements worth cutting, best first: indices into all that is cut, flattened and
    concatenated, where to cut them (NaN for a switch, which has its level), and the
    product of the gains of both halves (-inf: no more of them). points: by input, where
    the bound is reached."""

    indices: Any
    at: Any
    gains: Any
    points: dict[int, Any]


def rank(
    graph,
    parts: tuple[Switch | Bend, ...],
    shared: Whole,
    target: Target,
    choices: Choices,
    *,
    memory: int,
    candidates: int,
) -> Ranking:
    """The elements of a cell that, cut, should raise the bound most."""
    cell, _ = on_cell(graph, shared, target.phases, memory)
    cuts = _cuts(cell, parts, shared)
    scores, points = _scores(cell, parts, shared, target, choices, cuts)
    candidates = min(candidates, scores.size)
    score, indices = jax.lax.top_k(scores, candidates)
    # what was prepared for the whole cell is wider than what a half allows
    bent = {k for part in parts if isinstance(part, Bend) for k in part.positions}
    prepared = {prepared_key(graph.equations[k]) for k in bent}
    values = {n: v for n, v in cell.values.items() if n not in prepared}

    def bound(phases, enclosures):
        here = shared._replace(enclosures=enclosures)
        known = known_of(here, phases)
        at = target._replace(phases=phases)
        return jnp.max(lower_with(cell, here, values | known, at, choices))

    whole = {n: cell.values[n] for n in shared.enclosures}
    # with the lines of the whole: a half that gains nothing by its own is no gain
    at_whole = lower_with(cell, shared, cell.values, target, choices)
    now = jnp.max(at_whole)

    def gain(index):
        halves = [
            bound(*_half(parts, target.phases, whole, cuts, index, side))
            for side in (1, -1)
        ]
        most = jnp.maximum(-now, _LEAST_GAIN)  # beyond 0 a half is proved
        first, second = (jnp.clip(half - now, _LEAST_GAIN, most) for half in halves)
        return first * second

    gains = jnp.where(score > 0, jax.vmap(gain)(indices), -jnp.inf)
    gains, order = jax.lax.top_k(gains, candidates)
    indices = indices[order]
    at = jnp.concatenate([_at(part, cuts).reshape(-1) for part in parts])
    return Ranking(indices, at[indices], gains, points)


def _cuts(cell, parts, shared) -> dict[int, Any]:
    """By operand: where each element would be cut."""
    return {
        part.operand: cut_at(cell.values[part.operand])
        if isinstance(part, Bend)
        else shared.levels[part.operand].lo
        for part in parts
    }


def _at(part, cuts):
    at = cuts[part.operand]
    return at if isinstance(part, Bend) else jnp.full_like(at, jnp.nan)


def _half(parts, phases, whole, cuts, index, side):
    """(phases, enclosures) where one element more is cut, on a side of the cut."""
    fixed, left, before = {}, dict(whole), 0
    for part in parts:
        n = part.operand
        old, value = phases[n], whole[n]
        here = jnp.arange(old.size).reshape(old.shape) + before == index
        new = cut_again(old, side).astype(old.dtype)
        fixed[n] = jnp.where(here, new, old)
        if isinstance(part, Bend):
            lo, hi = (here & (side == s) for s in (1, -1))
            lo = jnp.where(lo, cuts[n], value.lo)
            left[n] = Interval(lo, jnp.where(hi, cuts[n], value.hi))
        before += old.size
    return fixed, left


def _scores(cell, parts, shared, target, choices, cuts):
    """(what each element gives away in the row whose bound is best, 0 where it cannot
    be cut; where that bound is reached, by input)."""
    seen = {}
    equations = cell.graph.equations[: len(cell.steps)]
    start, constant, _ = started(cell, shared, cell.values, target, choices)
    left, _, _ = substituted(
        equations,
        cell.steps,
        cell.values,
        start,
        constant,
        choices.slopes,
        observe=lambda position, *step: seen.update({position: step}),
    )
    best = jnp.argmax(lower_with(cell, shared, cell.values, target, choices))
    points = {n: _point(left.get(n), best, region) for n, region in cell.sets.items()}
    reached = values_at(cell, points)
    found = []
    for part in parts:
        if isinstance(part, Bend):
            seen_here = {k: seen[k] for k in part.positions if k in seen}
            score = _ANY + given_away(
                cell, part.operand, seen_here, best, choices.slopes, reached
            )
            score = jnp.where(jnp.isnan(cuts[part.operand]), 0, score)
            found.append(score.reshape(-1))
            continue
        if part.position in seen:
            a = seen[part.position][0][0][best]
            slope = choices.slopes[part.position][best]
        else:
            a = slope = jnp.zeros(cell.values[part.operand].shape)
        score = _lost(
            a,
            slope,
            cell.values[part.operand],
            shared.levels[part.operand],
            reached[part.operand],
        )
        free = target.phases[part.operand] == 0
        found.append(jnp.where(free, score, 0).reshape(-1))
    return jnp.concatenate(found), points


def _point(rows, best, region):
    if rows is None:
        rows = jnp.zeros((1, *region.shape))
        best = 0
    return minimiser(rows[best][None], region)[0]


def _lost(a, slope, value, level, x):
    """a * (max(x, c) - its line) at x, plus a little of the most that can be lost."""
    low, high, x = value.lo - level.lo, value.hi - level.lo, x - level.lo
    free = (low < 0) & (high > 0)
    chord = high / jnp.where(free, high - low, 1)
    above, below = jnp.maximum(-a, 0), jnp.maximum(a, 0)
    top = jnp.maximum(x, 0)
    lost = above * (chord * (x - low) - top) + below * (top - slope * x)
    most = above * -low * chord
    most += below * jnp.minimum(-slope * low, (1 - slope) * high)
    # any free element will do where none loses: the ascent gets another turn
    return jnp.where(free, jnp.maximum(lost, 0) + _INTERCEPT * most + _ANY, 0)
