"""h[t] = exp(delta[t] a) h[t-1] + delta[t] b[t] x[t],   y[t] = (c[t] . h[t] + d x[t])

in each channel, with a state h of several numbers; gated, y is multiplied by silu(z).
What lies at or beyond the length of a sequence leaves the state alone and returns 0.

Source: Gu and Dao 2023, Mamba (arXiv:2312.00752), algorithm 2, with the simplified
discretisation of b that its code uses (delta b for the zero-order hold).
"""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import lax


class Operands(NamedTuple):
    """What the recurrence takes; arrays, or what a kernel sees of them."""

    x: Any  # [batch, steps, channels]
    delta: Any  # [batch, steps, channels]
    a: Any  # [channels, states]
    b: Any  # [batch, steps, states]
    c: Any  # [batch, steps, states]
    d: Any  # [channels]
    state: Any  # [batch, channels, states], before the first step
    lengths: Any  # [batch], integers
    z: Any = None  # [batch, steps, channels]


def selective_scan(*operands):
    """(y, the state after the last step)."""
    given = Operands(*operands)
    steps = given.x.shape[1]
    alive = jnp.arange(steps)[None, :] < given.lengths[:, None]

    def kept(value):
        # before anything is computed with it: what does not count may be NaN
        return jnp.where(alive[:, :, None], value.astype(jnp.float32), 0.0)

    x, delta, b, c = map(kept, (given.x, given.delta, given.b, given.c))
    a, d = given.a.astype(jnp.float32), given.d.astype(jnp.float32)

    def step(state, at):
        alive, x, delta, b, c = at
        alive = alive[:, None, None]
        decay = jnp.exp(jnp.where(alive, delta[:, :, None] * a, 0.0))
        driven = (delta * x)[:, :, None] * b[:, None, :]
        # exp(0) is 1 only up to the error of exp
        state = jnp.where(alive, decay * state + driven, state)
        return state, (state * c[:, None, :]).sum(axis=-1)

    by_step = jax.tree.map(lambda v: jnp.swapaxes(v, 0, 1), (alive, x, delta, b, c))
    state, read = lax.scan(step, given.state.astype(jnp.float32), by_step)
    y = jnp.swapaxes(read, 0, 1) + d * x
    if given.z is not None:
        z = kept(given.z)
        y = y * (z * lax.logistic(z))
    return kept(y).astype(given.x.dtype), state.astype(given.state.dtype)


def selective_scan_backward(*operands):
    """The gradients of the floats among the operands; the last two operands before
    `z` are the cotangents of y and of the last state."""
    *given, dy, last = operands[:10]
    z = operands[10:]
    lengths = given.pop()

    def forward(*floats):
        return selective_scan(*floats[:7], lengths, *floats[7:])

    _, pull = jax.vjp(forward, *given, *z)
    return pull((dy, last))
