"""y[i] = operand[i] + the sum of updates[j] over all j with places[j] = i.

A place outside of 0 .. rows - 1 takes no part. The gradient of `updates` is a gather.
"""

import jax.numpy as jnp


def scatter_add(operand, places, updates):
    start, places = operand.astype(jnp.float32), _dropping(places, len(operand))
    y = start.at[places].add(updates.astype(jnp.float32), mode="drop")
    return y.astype(operand.dtype)


def gather_rows(source, places):
    """source[places], 0 for places outside: the gradient of the updates."""
    places = _dropping(places, len(source))
    return source.at[places].get(mode="fill", fill_value=0)


def _dropping(places, rows):
    """JAX drops what lies beyond the end, and counts a negative index from there."""
    return jnp.where(places < 0, rows, places)
