"""A batch of equal computations, a part at a time.

A `vmap` holds the arrays of all its members at once; thousands of backward passes do
not fit any memory. In chunks they need that of one chunk, whatever the batch.
"""

from collections.abc import Callable

import jax
import jax.numpy as jnp
from jax import lax
from jax.custom_batching import custom_vmap


def in_chunks(function: Callable, chunk: int) -> Callable:
    """`function`, whose `vmap` runs over `chunk` members at a time.

    Differentiation sees the plain function, and a `vmap` of that is whole.
    """
    if chunk < 1:
        raise ValueError(f"a chunk holds at least one member, not {chunk}")
    chunked = custom_vmap(function)

    @chunked.def_vmap
    def _rule(size, batched, *args):
        leaves, tree = jax.tree.flatten(args)
        flags = jax.tree.leaves(batched)
        moving = [x for x, flag in zip(leaves, flags, strict=True) if flag]

        def one(members):
            # what is common to all members stays outside: a weight matrix that were
            # copied to each of them would make every product a batched one
            members = iter(members)
            merged = [
                next(members) if flag else x
                for x, flag in zip(leaves, flags, strict=True)
            ]
            return function(*jax.tree.unflatten(tree, merged))

        results = _map(one, moving, size, min(chunk, size))
        return results, jax.tree.map(lambda _: True, results)

    differentiable = jax.custom_jvp(chunked)
    differentiable.defjvp(
        lambda primals, tangents: jax.jvp(function, primals, tangents)
    )
    return differentiable


def _map(function, arrays, size: int, chunk: int):
    """`function` over the leading axis; the last chunk is filled up with its last
    member, since a shorter one would be a second program to compile."""
    count = -(-size // chunk)
    members = jnp.minimum(jnp.arange(count * chunk), size - 1)
    filled = [x if count * chunk == size else x[members] for x in arrays]
    split = [x.reshape(count, chunk, *x.shape[1:]) for x in filled]
    results = lax.map(jax.vmap(function), split)
    return jax.tree.map(lambda y: y.reshape(-1, *y.shape[2:])[:size], results)
