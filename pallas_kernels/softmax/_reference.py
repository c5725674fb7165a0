"""y = exp(x) / sum(exp(x)) along the last axis, over the elements that a mask allows.

A row of which nothing is allowed is 0, by definition: of no elements there is no mean.
What is not allowed is not looked at, whatever it holds.
"""

import jax.numpy as jnp

LOWEST = float(jnp.finfo(jnp.float32).min)


def softmax(x, mask):
    """mask: int8 of the shape of x, 1 where an element is allowed."""
    allowed = mask != 0
    wide = jnp.where(allowed, x.astype(jnp.float32), 0.0)
    some = allowed.any(axis=-1, keepdims=True)
    known = jnp.where(allowed, wide, LOWEST)
    highest = known.max(axis=-1, keepdims=True, initial=LOWEST)
    shifted = wide - jnp.where(some, highest, 0.0)
    weights = jnp.where(allowed, jnp.exp(jnp.where(allowed, shifted, 0.0)), 0.0)
    total = jnp.where(some, weights.sum(axis=-1, keepdims=True), 1.0)
    return (weights / total).astype(x.dtype)


def softmax_backward(y, dy):
    """dx = y * (dy - sum(dy * y)), where y is the result of `softmax`.

    That this is the derivative of `softmax` is a part of the contract. Where y is 0
    because nothing was allowed, so is dx.
    """
    wide, up = y.astype(jnp.float32), dy.astype(jnp.float32)
    shared = (up * wide).sum(axis=-1, keepdims=True)
    return (wide * (up - shared)).astype(y.dtype)
