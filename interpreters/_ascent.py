"""Gradient ascent on lower bounds, for each of many rows at once.

Whatever numbers a bound was computed with, it is a bound: so the optimiser may be as
rough as it likes. It works in half the precision and leaves rounding out of account,
which takes a third of the time; the bound that counts is computed once, at the end.
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
    multipliers of constraints; each [R, *shape]."""

    slopes: dict[int, Any]
    multipliers: dict[Any, Any]


def halved(tree: Any) -> Any:
    """Arrays of double precision in single precision, the others as they are."""

    def half(x):
        is_double = getattr(x, "dtype", None) == jnp.float64
        return x.astype(jnp.float32) if is_double else x

    return jax.tree.map(half, tree)


def ascend(
    about: Callable, first: Choices, iterations: int, lowest: Any = None
) -> Choices:
    """The best choices met, for each row, in the dtypes of `first`.

    lowest: of multipliers, as a tree of arrays like theirs; None for 0.

    about: from choices in single precision to what bounds [R] are, but for rounding,
    each of which depends on its own row alone.
    """
    import optax

    if not jax.tree.leaves(first):  # nothing is free
        return first

    optimiser = optax.adam(optax.exponential_decay(1.0, 1, DECAY))

    def loss(choices):
        bound = about(choices).astype(nothing.dtype)
        return -jnp.sum(jnp.where(jnp.isfinite(bound), bound, 0)), bound

    start = halved(first)
    if lowest is None:
        lowest = jax.tree.map(lambda m: 0.0, first.multipliers)
    leaf = jax.tree.leaves(start)[0]
    nothing = jnp.full(len(leaf), -jnp.inf, leaf.dtype)

    def step(state, _):
        choices, memory, best, kept = state
        (_, bound), slope = jax.value_and_grad(loss, has_aux=True)(choices)
        best, kept = _better(bound, choices, best, kept)
        slope = jax.tree.map(lambda g: jnp.where(jnp.isfinite(g), g, 0), slope)
        change, memory = optimiser.update(slope, memory, choices)
        return (_moved(choices, change, lowest), memory, best, kept), None

    state = start, optimiser.init(start), nothing, start
    # the last turn is there for its bound: evaluated elsewhere, it is compiled again
    kept = jax.lax.scan(step, state, None, length=iterations + 1)[0][-1]
    return jax.tree.map(lambda new, old: new.astype(old.dtype), kept, first)


def _better(bound, choices, best, kept):
    better = bound > best

    def pick(new, old):
        return jnp.where(better.reshape(-1, *[1] * (new.ndim - 1)), new, old)

    return jnp.where(better, bound, best), jax.tree.map(pick, choices, kept)


def _moved(choices: Choices, change: Any, lowest: Any) -> Choices:
    slopes = jax.tree.map(
        lambda s, d: jnp.clip(s + SLOPE_RATE * d, 0, 1), choices.slopes, change.slopes
    )
    multipliers = jax.tree.map(
        lambda m, d, low: jnp.maximum(m + MULTIPLIER_RATE * d, low).astype(m.dtype),
        choices.multipliers,
        change.multipliers,
        lowest,
    )
    return Choices(slopes, multipliers)
