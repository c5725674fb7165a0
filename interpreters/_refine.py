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

from torchlean_jax.interpreters._backward import lower_bounds
from torchlean_jax.interpreters._steps import prepared_key


def bounds_at(equations, steps, values, sets, number, indices, slopes=None):
    """(lo, hi) of the elements `indices` (int[k]) of a value, by one pass of 2k
    rows."""
    n, dtype = values[number].size, values[number].dtype
    unit = (indices[:, None] == jnp.arange(n)).astype(dtype)
    rows = jnp.concatenate([unit, -unit]).reshape(-1, *values[number].shape)
    offset = jnp.zeros(rows.shape[0], dtype)
    lower = lower_bounds(equations, steps, values, sets, {number: rows}, offset, slopes)
    return lower[: len(indices)], -lower[len(indices) :]


def element_bounds(equations, steps, values, sets, number, wanted, *, memory):
    """(lo, hi), flat, for the elements of a value: finite bounds where `wanted` is set.

    wanted: bool[n]. Elsewhere the bounds are infinite, or better by accident.
    `equations` end before the first use of the value; `memory` caps the bytes of one
    block of rows.
    """
    used = {i for equation in equations for i in (*equation.inputs, *equation.outputs)}
    used |= {prepared_key(equation) for equation in equations} & values.keys()
    arrays = {i: values[i] for i in used | {number}}
    n, dtype = values[number].size, values[number].dtype
    block = _block_size(n, arrays, equations, memory)

    def bound(arrays, sets, indices):
        return bounds_at(equations, steps, arrays, sets, number, indices)

    blocks = -(-n // block)

    def over_all(arrays, sets, wanted):
        if blocks == 1:
            return bound(arrays, sets, jnp.arange(n))
        indices = jnp.minimum(jnp.arange(blocks * block), n - 1).reshape(blocks, block)
        lo, hi = lax.map(lambda i: bound(arrays, sets, i), indices)
        return lo.reshape(-1)[:n], hi.reshape(-1)[:n]

    def over_wanted(arrays, sets, wanted):
        order = jnp.argsort(~wanted, stable=True)
        needed = (wanted.sum() + block - 1) // block

        def body(k, state):
            lo, hi = state
            indices = lax.dynamic_slice(order, (k * block,), (block,))
            low, high = bound(arrays, sets, indices)
            return lo.at[indices].set(low), hi.at[indices].set(high)

        nothing = jnp.full(n, -jnp.inf, dtype), jnp.full(n, jnp.inf, dtype)
        return lax.fori_loop(0, needed, body, nothing)

    if blocks == 1:
        return over_all(arrays, sets, wanted)
    skipping = jax.custom_jvp(over_wanted)
    skipping.defjvp(lambda primals, tangents: jax.jvp(over_all, primals, tangents))
    return skipping(arrays, sets, wanted)


def _block_size(n, arrays, equations, memory):
    """Elements per block: an eighth of them, within the memory cap."""
    largest = max(
        (arrays[o].size for equation in equations for o in equation.outputs), default=1
    )
    # two rows an element, and about four arrays as large as the largest value alive at
    # once
    affordable = memory // (2 * 4 * 8 * max(largest, 1))
    return max(min(max(n // 8, 8), affordable, n), 1)
