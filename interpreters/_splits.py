"""Which free element of a cell to fix next.

Nothing here needs to be right: the halves of a cell cover it whatever the choice is.

The bound of a cell is reached at some input x by the linear form that was substituted;
what the relaxation of an element gives away *there* is what fixing its phase can win
back. The intercept of the upper line, the score of BaBSR, is what an element can give
away at most, at any x; it counts for little here, so that there is an order where no
loss is left at x. (No fair comparison of the two is on record.)

Of the largest losses, both halves are bounded with the choices of the whole, and the
product of the gains decides, as in mixed-integer programming.

Sources: Bunel et al. 2020 (arXiv:1909.06588); look-ahead, De Palma et al. 2021
(arXiv:2104.06718); product rule, Achterberg 2007 (thesis, section 5.2).
"""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from torchlean_jax.interpreters._ascent import Choices
from torchlean_jax.interpreters._backward import substituted
from torchlean_jax.interpreters._cells import Target, lower_with, started
from torchlean_jax.interpreters._looseness import minimiser, values_at
from torchlean_jax.interpreters._phases import Switch, Whole, on_cell, sharpened

_LEAST_GAIN = 1e-6
_INTERCEPT = 0.01  # its weight beside the loss: decides where no loss is left
_ANY = 1e-12  # keeps every free element in the order; none of the three was tuned


class Ranking(NamedTuple):
    """Free elements worth fixing, best first: indices into all switches, flattened and
    concatenated, and the product of the gains of both halves (-inf: no more of them).
    points: by input, where the bound is reached."""

    indices: Any
    gains: Any
    points: dict[int, Any]


def rank(
    graph,
    parts: tuple[Switch, ...],
    shared: Whole,
    target: Target,
    choices: Choices,
    *,
    memory: int,
    candidates: int,
) -> Ranking:
    """The free elements of a cell whose phases, fixed, should raise the bound most."""
    cell, _ = on_cell(graph, shared, target.phases, memory)
    scores, points = _scores(cell, parts, shared, target, choices)
    candidates = min(candidates, scores.size)
    score, indices = jax.lax.top_k(scores, candidates)

    def bound(phases):
        known = {
            n: sharpened(cell.values[n], shared.levels[n], phases[n]) for n in phases
        }
        at = target._replace(phases=phases)
        return jnp.max(lower_with(cell, shared, cell.values | known, at, choices))

    now = bound(target.phases)

    def gain(index):
        halves = [bound(_fixed(parts, target.phases, index, p)) for p in (1, -1)]
        most = jnp.maximum(-now, _LEAST_GAIN)  # beyond 0 a half is proved
        first, second = (jnp.clip(half - now, _LEAST_GAIN, most) for half in halves)
        return first * second

    gains = jnp.where(score > 0, jax.vmap(gain)(indices), -jnp.inf)
    gains, order = jax.lax.top_k(gains, candidates)
    return Ranking(indices[order], gains, points)


def _fixed(parts, phases, index, phase):
    """The phases with one element more fixed."""
    fixed, before = {}, 0
    for part in parts:
        old = phases[part.operand]
        here = jnp.arange(old.size).reshape(old.shape) + before == index
        fixed[part.operand] = jnp.where(here, jnp.asarray(phase, old.dtype), old)
        before += old.size
    return fixed


def _scores(cell, parts, shared, target, choices):
    """(what each element gives away in the row whose bound is best, 0 where its phase
    is fixed or known; where that bound is reached, by input)."""
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
        observe=lambda position, given, _: seen.update({position: given[0]}),
    )
    best = jnp.argmax(lower_with(cell, shared, cell.values, target, choices))
    points = {n: _point(left.get(n), best, region) for n, region in cell.sets.items()}
    reached = values_at(cell, points)
    found = []
    for part in parts:
        if part.position in seen:
            a, slope = seen[part.position][best], choices.slopes[part.position][best]
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
