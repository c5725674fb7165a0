"""Gradient ascent on lower bounds, for each of many rows at once.

Whatever numbers a bound was computed with, it is a bound: so the best one met counts,
and the optimiser may be as rough as it likes.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

SLOPE_RATE = 0.1
MULTIPLIER_RATE = 0.05
DECAY = 0.98


class Choices(NamedTuple):
    """The free numbers of a bound: slopes by equation position, in [0, 1], and
    multipliers of constraints, not negative; each [R, *shape]."""

    slopes: dict[int, Any]
    multipliers: dict[int, Any]


def ascend(lower: Callable, first: Choices, iterations: int) -> tuple[Any, Choices]:
    """(the best bound met of each row, the choices it was computed with).

    lower: from choices to bounds [R], each of which depends on its own row alone.
    """
    import optax

    optimiser = optax.adam(optax.exponential_decay(1.0, 1, DECAY))

    def loss(choices):
        bound = lower(choices)
        return -jnp.sum(jnp.where(jnp.isfinite(bound), bound, 0)), bound

    def step(state, _):
        choices, memory, best, kept = state
        (_, bound), slope = jax.value_and_grad(loss, has_aux=True)(choices)
        best, kept = _better(bound, choices, best, kept)
        slope = jax.tree.map(lambda g: jnp.where(jnp.isfinite(g), g, 0), slope)
        change, memory = optimiser.update(slope, memory, choices)
        return (_moved(choices, change), memory, best, kept), None

    start = lower(first)
    state = first, optimiser.init(first), start, first
    (last, _, best, kept), _ = jax.lax.scan(step, state, None, length=iterations)
    return _better(lower(last), last, best, kept)


def _better(bound, choices, best, kept):
    better = bound > best

    def pick(new, old):
        return jnp.where(better.reshape(-1, *[1] * (new.ndim - 1)), new, old)

    return jnp.where(better, bound, best), jax.tree.map(pick, choices, kept)


def _moved(choices: Choices, change: Any) -> Choices:
    slopes = jax.tree.map(
        lambda s, d: jnp.clip(s + SLOPE_RATE * d, 0, 1), choices.slopes, change.slopes
    )
    multipliers = jax.tree.map(
        lambda m, d: jnp.maximum(m + MULTIPLIER_RATE * d, 0),
        choices.multipliers,
        change.multipliers,
    )
    return Choices(slopes, multipliers)
