"""loss = logsumexp(x) - x[label] + z logsumexp(x)**2 along the last axis.

0 where the label is `ignore`. A label that is no element and not `ignore` has a loss of
infinity: it has probability 0. Its neighbours keep their losses.

Source of the z-loss: Chowdhery et al. 2022, PaLM (arXiv:2204.02311), section 5.
"""

import jax.numpy as jnp

LOWEST = float(jnp.finfo(jnp.float32).min)


def cross_entropy(x, labels, *, ignore, z):
    """(loss, logsumexp), both float32 of the shape of labels."""
    wide = x.astype(jnp.float32)
    highest = wide.max(axis=-1, keepdims=True, initial=LOWEST)
    total = jnp.exp(wide - highest).sum(axis=-1)
    level = jnp.log(total) + highest[..., 0]
    picked = jnp.where(_is_label(x, labels), wide, 0.0).sum(axis=-1)
    loss = level - picked
    if z:  # 0 times the square of a huge level would not be 0
        loss = loss + z * (level * level)
    known = (labels >= 0) & (labels < x.shape[-1])
    loss = jnp.where(known, loss, jnp.inf)
    return jnp.where(labels == ignore, 0.0, loss), level


def cross_entropy_backward(x, labels, level, dy, *, ignore, z):
    """dx = dy * (exp(x - level) * (1 + 2 z level) - [label]), 0 in ignored rows.

    level: logsumexp(x), as `cross_entropy` returns it. That this is the derivative of
    the loss is a part of the contract.
    """
    level, up = level[..., None], dy[..., None]
    shares = jnp.exp(x.astype(jnp.float32) - level) * (1.0 + 2.0 * z * level)
    dx = up * (shares - jnp.where(_is_label(x, labels), 1.0, 0.0))
    return jnp.where(labels[..., None] == ignore, 0.0, dx).astype(x.dtype)


def _is_label(x, labels):
    return jnp.arange(x.shape[-1]) == labels[..., None]
