"""Bounds of single elements by back-substitution, a few rows at a time.

Only elements that some relaxation still wants better are worth a backward pass, and
which these are is known at run time. The loop therefore sorts the wanted elements to
the front and stops after them; under `vmap` it stops after the last wanted element of
the whole batch. A loop of unknown length has no reverse derivative, so differentiation
goes through the plain pass over all elements, which bounds the same numbers.
"""

import jax
import jax.numpy as jnp
from jax import lax
from jax.custom_batching import custom_vmap

from torchlean_jax.domains.interval import Interval
from torchlean_jax.domains.interval._exact import working_dtype
from torchlean_jax.interpreters._backward import lower_bounds
from torchlean_jax.interpreters._steps import prepared_key
from torchlean_jax.interpreters._units import unit_rows

CACHE = 2**19  # bytes of one array of rows
ALIVE = 4  # about as many are needed at the same time


def bounds_at(equations, steps, values, sets, number, indices, slopes=None):
    """(lo, hi) of the elements `indices` (int[k]) of a value, by one pass of 2k
    rows."""
    source, rows, offset, error = unit_rows(equations, steps, values, number, indices)
    lower = lower_bounds(
        equations, steps, values, sets, {source: rows}, offset, slopes, error
    )
    return lower[: len(indices)], -lower[len(indices) :]


def element_bounds(equations, steps, values, sets, number, wanted, *, memory):
    """(lo, hi), flat, for the elements of a value; infinite where `wanted` is not set.

    wanted: bool[n]. A block that reaches beyond the wanted elements bounds a few more,
    and these bounds are dropped: which ones depends on the batch, and the checker of
    certificates, which refines the wanted ones, would get wider boxes further on (an
    upper end by 1.4 at the last layer of ACAS Xu network 1_1, and with it an undecided
    element more, at one of the 508 leaves that prove property 4).
    `equations` end before the first use of the value; `memory` caps the bytes of one
    block of rows.
    """
    used = {i for equation in equations for i in (*equation.inputs, *equation.outputs)}
    used |= {prepared_key(equation) for equation in equations} & values.keys()
    arrays = {i: values[i] for i in used | {number}}
    size = values[number].size
    largest = max(v.size for v in arrays.values() if isinstance(v, Interval))
    block = _block_size(size, largest, memory)
    # the loop runs as long as the worst of a batch wants: smaller steps overshoot less
    finer = min(max(block // 2, 1), max(size // 8, 8))

    def bound(arrays, sets, indices):
        return bounds_at(equations, steps, arrays, sets, number, indices)

    lo, hi = _blockwise(bound, size, block, finer)(arrays, sets, wanted)
    return jnp.where(wanted, lo, -jnp.inf), jnp.where(wanted, hi, jnp.inf)


def _blockwise(bound, size, block, finer):
    """bound(arrays, sets, indices) for the wanted elements, `block` at a time, and
    `finer` at a time under `vmap`."""

    def over_all(arrays, sets, wanted):
        blocks = -(-size // block)
        if blocks == 1:
            return bound(arrays, sets, jnp.arange(size))
        indices = jnp.minimum(jnp.arange(blocks * block), size - 1)
        parts = lax.map(
            lambda i: bound(arrays, sets, i), indices.reshape(blocks, block)
        )
        return tuple(part.reshape(-1)[:size] for part in parts)

    def one(arrays, sets, wanted):
        if block >= size:
            return over_all(arrays, sets, wanted)
        return _over_wanted(lambda i: bound(arrays, sets, i), wanted, block)

    batched = custom_vmap(one)

    @batched.def_vmap
    def _rule(count, moving, arrays, sets, wanted):
        axes = jax.tree.map(lambda moves: 0 if moves else None, moving)
        many = jax.vmap(bound, in_axes=(*axes[:2], 0))
        if axes[2] is None:
            wanted = jnp.broadcast_to(wanted, (count, size))
        lo, hi = _over_wanted(lambda i: many(arrays, sets, i), wanted, finer)
        return (lo, hi), (True, True)

    skipping = jax.custom_jvp(batched)
    skipping.defjvp(lambda primals, tangents: jax.jvp(over_all, primals, tangents))
    return skipping


def _over_wanted(bound, wanted, block):
    """bound(indices) in blocks until all wanted elements, of every member of a batch
    (the axes before the last), have had their turn; infinite where nothing was bounded.

    The loop is around the batch and not in it: a loop under `vmap` is traced three
    times as often, and selects between old and new states of members that are done.
    """
    size = wanted.shape[-1]
    order = jnp.argsort(~wanted, axis=-1, stable=True)
    block = min(block, size)
    needed = (wanted.sum(-1).max() + block - 1) // block

    def body(k, state):
        indices = lax.dynamic_slice_in_dim(order, k * block, block, axis=-1)
        return tuple(
            jnp.put_along_axis(old, indices, new, axis=-1, inplace=False)
            for old, new in zip(state, bound(indices), strict=True)
        )

    lo = jnp.full(wanted.shape, -jnp.inf, working_dtype())
    return lax.fori_loop(0, needed, body, (lo, -lo))


def members_at_once(memory):
    """How many members of a batch may run together within the memory cap."""
    return max(memory // (ALIVE * CACHE), 1)


def _block_size(size, largest, memory):
    """Elements per block: half of them, so that the loop can skip some, but no more
    than a cache and the memory cap hold the rows of.

    largest: elements of the largest value that the rows pass through.
    """
    row = 2 * 8 * max(largest, 1)  # both sides of one element
    most = min(CACHE, memory // ALIVE) // row
    return max(min(max(size // 2, 8), size, most), 1)
