"""alpha-CROWN: relaxation slopes chosen by gradient ascent on the bounds themselves.

Every slope in its range gives a sound bound, so the optimiser may be as rough as it
likes (Xu et al. 2021, arXiv:2011.13824). Two families of slopes are free: `refining`,
shared by all passes that tighten intermediate enclosures, and `final`, separate for
each row of the outputs.
"""

import math
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp

from torchlean_jax.domains._errors import InputError
from torchlean_jax.domains.affine.relaxations import parameters
from torchlean_jax.domains.interval import Interval
from torchlean_jax.interpreters import _steps
from torchlean_jax.interpreters._crown import Enclosed, enclose, lowered, raised
from torchlean_jax.interpreters._refine import bounds_at

LEARNING_RATE = 0.25
DECAY = 0.98


@dataclass(frozen=True)
class Optimised:
    """The best bound found for each row, and the slopes whose worst row was best
    (`score`)."""

    lower: Any
    slopes: dict
    score: Any


def optimise(
    base: Enclosed, start, offset, picks, *, iterations: int, error=0, hinted=()
) -> Optimised:
    """Lower bounds of rows by at most `iterations` steps of Adam on the slopes.

    base: the graph enclosed by CROWN; its bounds are never lost. start, offset, error:
    as for `lower_bounds`. picks: value number -> how many of its elements to refine
    again, at most. hinted: as for `with_hinted`.
    """
    import optax

    schedule = optax.exponential_decay(LEARNING_RATE, 1, DECAY)
    optimiser = optax.adam(schedule)
    fixed = base.values

    def lower(slopes):
        result = enclose(
            base.graph,
            {i: fixed[i] for i in base.graph.inputs if i not in base.sets},
            base.sets,
            memory=base.memory,
            consts={i: fixed[i] for i in base.graph.constants},
            refine=lambda *args: _refine_again(base, picks, slopes["refining"], *args),
        )
        return result.lower(start, offset, slopes=slopes["final"], error=error)

    def loss(slopes):
        bound = lower(slopes)
        return -jnp.sum(jnp.where(jnp.isfinite(bound), bound, 0)), bound

    def step(state, _):
        slopes, memory, best, kept, score = state
        (_, bound), gradient = jax.value_and_grad(loss, has_aux=True)(slopes)
        better = bound.min() > score
        kept = jax.tree.map(lambda a, b: jnp.where(better, a, b), slopes, kept)
        score, best = jnp.maximum(score, bound.min()), jnp.maximum(best, bound)
        gradient = jax.tree.map(lambda g: jnp.where(jnp.isfinite(g), g, 0), gradient)
        change, memory = optimiser.update(gradient, memory, slopes)
        slopes = jax.tree.map(lambda s, d: jnp.clip(s + d, 0, 1), slopes, change)
        return (slopes, memory, best, kept, score), None

    slopes = {
        "refining": initial_slopes(base, 1),
        "final": initial_slopes(base, offset.shape[0]),
    }
    slopes = {k: with_hinted(part, hinted, base.graph) for k, part in slopes.items()}
    nothing = jnp.full_like(offset, -jnp.inf)
    state = (slopes, optimiser.init(slopes), nothing, slopes, nothing.min())
    (_, _, best, kept, score), _ = jax.lax.scan(step, state, None, length=iterations)
    return Optimised(best, kept, score)


def _refine_again(base, picks, slopes, result, number, position, wanted):
    """Bounds of the elements that CROWN left undecided, with the given slopes alone.

    What CROWN found for them is not used: a certificate holds one set of slopes, and
    the checker has to get as far with it.
    """
    old = result.values[number]
    order = jnp.argsort(~base.wanted[number].reshape(-1), stable=True)
    indices = order[: picks.get(number, old.size)]
    low, high = bounds_at(
        base.graph.equations[:position],
        result.steps,
        result.values,
        result.sets,
        number,
        indices,
        slopes={k: s for k, s in slopes.items() if k < position},
    )
    lo, hi = old.lo.reshape(-1), old.hi.reshape(-1)
    lo = lo.at[indices].set(raised(lo[indices], low)).reshape(old.shape)
    hi = hi.at[indices].set(lowered(hi[indices], high)).reshape(old.shape)
    result.values[number] = Interval(lo, hi)


def initial_slopes(base, rows: int) -> dict:
    """Where the rules themselves would start, by equation position, for each row."""
    slopes = {}
    for position, step in enumerate(base.steps):
        if not isinstance(step, _steps.Relaxed):
            continue
        start = _adaptive(step, base.values)
        if start is not None:
            slopes[position] = jnp.broadcast_to(start, (rows, *start.shape))
    return slopes


def with_hinted(first: dict[int, Any], hinted, graph) -> dict[int, Any]:
    """`first`, slopes by equation position, with those of hints where there are any.

    Layers are counted among the equations that have one free slope (those of ReLUs).
    Raises InputError if they have other sizes.
    """
    if not hinted:
        return first
    layers = [k for k in sorted(first) if parameters(graph.equations[k].name) == 1]
    sizes = [math.prod(first[k].shape[1:]) for k in layers]
    found = [len(slopes) for slopes in hinted]
    if found != sizes:
        raise InputError(
            f"hints: slopes of layers of {found} elements; the model's have {sizes}"
        )
    return first | {
        k: jnp.broadcast_to(
            jnp.reshape(jnp.asarray(slopes, first[k].dtype), first[k].shape[1:]),
            first[k].shape,
        )
        for k, slopes in zip(layers, hinted, strict=True)
    }


def _adaptive(step, values):
    count = parameters(step.equation.name)
    shape = values[step.equation.outputs[0]].shape
    if count == 0:
        return None
    if step.equation.name == "max":
        operands = [values[i] for i in step.equation.inputs]
        lines = step.rule(step.equation.operation, *operands)
        slope = lines.lower[0] if lines.lower[0] is not None else lines.lower[1]
        return jnp.broadcast_to(slope, shape)
    dtype = values[step.equation.outputs[0]].dtype
    return jnp.full(shape if count == 1 else (2, *shape), 0.5, dtype)
