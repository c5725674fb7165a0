"""State spaces with one decay for each head, read by products of matrices.

The recurrence, of each head with its rate a < 0 and its states h [states, size]:

    h' = exp(delta a) h + b (delta x)^T,    y = h'^T c.

Written out, y_t is the sum over s <= t of exp(a (delta_{s+1} + ... + delta_t))
(c_t . b_s) delta_s x_s: attention without a softmax, with decays for a mask. Within a
chunk it is computed so; what the chunks before have left comes through the state.
Source: Dao and Gu 2024 (arXiv:2405.21060), section 6 and listing 1.
"""

import jax.numpy as jnp


def dual(x, delta, a, b, c, state, chunk: int):
    """y [batch, time, heads, size] and the state after the last of the inputs.

    x: [batch, time, heads, size]; delta, positive: [batch, time, heads]; a, negative:
    [heads]; b, c, which the heads share: [batch, time, states]; state: [batch, heads,
    states, size]. chunk: how many inputs are read by one product; what is computed does
    not depend on it, and the time need not be a multiple.

    >>> ones = jnp.ones((1, 3, 1, 1))
    >>> row, start = ones[..., 0], jnp.zeros((1, 1, 1, 1))
    >>> y, state = dual(ones, row, jnp.array([-jnp.log(2.0)]), row, row, start, 2)
    >>> y.ravel().tolist(), state.ravel().tolist()
    ([1.0, 1.5, 1.75], [1.75])
    """
    batch, time, heads, size = x.shape
    chunk = min(chunk, time)
    count = -(-time // chunk)

    def chunks(v):
        """[batch, time, ...] to [batch, count, chunk, ...]; a step of size 0, as those
        behind the end have, changes no state."""
        behind = ((0, 0), (0, count * chunk - time)) + ((0, 0),) * (v.ndim - 2)
        return jnp.pad(v, behind).reshape(batch, count, chunk, *v.shape[2:])

    def by_head(v):
        """[batch, count, chunk, heads, ...] with the heads before the chunk."""
        return jnp.moveaxis(v, 2, 3)

    driven, b, c = by_head(chunks(delta[..., None] * x)), chunks(b), chunks(c)
    seen = jnp.tril(jnp.ones((chunk, chunk), bool))
    # logarithms of the decay up to each input, itself included: [..., heads, chunk]
    logs = by_head(chunks(delta * a)) @ seen.T.astype(x.dtype)
    between = logs[..., :, None] - logs[..., None, :]
    # masked before exp, which would overflow above the diagonal
    decay = jnp.exp(jnp.where(seen, between, -jnp.inf))
    scores = jnp.einsum("zktn,zksn->zkts", c, b)[:, :, None]
    y = (scores * decay) @ driven

    left = b[:, :, None] * jnp.exp(logs[..., -1:] - logs)[..., None]
    added = jnp.einsum("zkhsn,zkhsp->zkhnp", left, driven)
    kept = jnp.exp(logs[..., -1])[..., None, None]
    states = []
    for k in range(count):
        states.append(state)
        state = kept[:, k] * state + added[:, k]
    y += (c[:, :, None] * jnp.exp(logs)[..., None]) @ jnp.stack(states, 1)
    return jnp.moveaxis(y, 3, 2).reshape(batch, -1, heads, size)[:, :time], state
