"""out = softmax(scale q kᵀ + bias) v over the keys that each query may look at.

Arrays are [batch, length, heads, head_dim]; a head of k and v serves a group of
consecutive heads of q. `limits` [batch, 4] says which keys a query may look at: how
many queries there are, how many keys, and the first and the last place of a key
relative to its query. Causality, windows and alignment are such limits (`_op`). A mask
takes away more, and so does a bias of minus infinity. A query without keys gets 0.

What a query may not look at does not reach it, whatever it holds: 0 * NaN is NaN, so
what is not finite goes around the products (`weighted`).

Weights are rounded to the dtype of what they weigh, as products in that dtype need it;
sums are in float32.
"""

import jax.numpy as jnp
from jax import lax

LOWEST = float(jnp.finfo(jnp.float32).min)


def attention(q, k, v, limits, mask=None, bias=None, *, scale):
    """(out, top, total): `top` [batch, heads, length] is the largest score of a query
    and `total` the sum of exp(score - top); 0 and 1 for a query without keys."""
    scores, allowed = _scores(q, k, limits, mask, bias, scale)
    some = allowed.any(axis=-1, keepdims=True)
    known = jnp.where(allowed, scores, LOWEST)
    highest = known.max(axis=-1, keepdims=True, initial=LOWEST)
    top = jnp.where(some, highest, 0.0)
    weights = _weights(scores, allowed, top)
    total = jnp.where(some, weights.sum(axis=-1, keepdims=True), 1.0)
    out = weighted(weights / total, for_each_query_head(v, q), allowed)
    return out.swapaxes(1, 2).astype(q.dtype), top[..., 0], total[..., 0]


def attention_backward(q, k, v, limits, mask, bias, out, top, total, dout, *, scale):
    """(dq, dk, dv). With p = exp(score - top) / total and dp = dout vᵀ: the cotangent
    of a score is ds = p (dp - sum(dout out)); dq = scale ds k, dk = scale dsᵀ q and
    dv = pᵀ dout.

    That this is the derivative of `attention` is a part of the contract.
    Source: Dao et al. 2022 (arXiv:2205.14135), appendix B.2.
    """
    p, ds, allowed = _of_scores(
        q, k, v, limits, mask, bias, out, top, total, dout, scale
    )
    dq = scale * weighted(ds, for_each_query_head(k, q), allowed)
    turned = allowed.swapaxes(2, 3)
    dk = scale * weighted(ds.swapaxes(2, 3), q, turned)
    dv = weighted(p.swapaxes(2, 3), dout, turned)
    return (
        dq.swapaxes(1, 2).astype(q.dtype),
        _for_each_key_head(dk, k).astype(k.dtype),
        _for_each_key_head(dv, v).astype(v.dtype),
    )


def bias_backward(q, k, v, limits, mask, bias, out, top, total, dout, *, scale):
    """The cotangent of the bias: that of the scores, added up where it was repeated."""
    _, ds, _ = _of_scores(q, k, v, limits, mask, bias, out, top, total, dout, scale)
    repeated = tuple(axis for axis, n in enumerate(bias.shape) if n == 1)
    return ds.sum(axis=repeated, keepdims=True).astype(bias.dtype)


def weighted(weights, x, allowed):
    """weights [b, h, i, j] times x [b, j, h, d] for the pairs that are allowed.

    In float32, from weights in the dtype of x. A row of x that is not finite makes
    all of each result that may look at it infinite or NaN, and no other.
    """
    finite = jnp.isfinite(x)
    product = jnp.einsum(
        "bhij,bjhd->bhid",
        weights.astype(x.dtype),
        jnp.where(finite, x, 0),
        precision=lax.Precision.HIGHEST,
        preferred_element_type=jnp.float32,
    )
    return product + around_products(x.swapaxes(1, 2), allowed)


def around_products(x, allowed):
    """[b, h, i, 1], what is not finite in the rows of x [b, h, j, d] that each i may
    look at, added up: infinite or NaN, or 0."""
    rest = jnp.where(jnp.isfinite(x), 0, x).astype(jnp.float32).sum(axis=-1)
    return jnp.where(allowed, rest[:, :, None, :], 0.0).sum(axis=-1, keepdims=True)


def _scores(q, k, limits, mask, bias, scale):
    """([batch, heads, queries, keys], which of these pairs are allowed)."""
    dots = scale * _dot_heads(q, for_each_query_head(k, q))
    return allowed_and_biased(dots, limits, mask, bias)


def allowed_and_biased(scores, limits, mask, bias):
    """(the scores with the bias, 0 where it is not allowed, and where it is)."""
    allowed = _within(limits, *scores.shape[2:])
    if mask is not None:
        allowed &= mask != 0
    if bias is not None:
        wide = bias.astype(jnp.float32)
        allowed &= wide > -jnp.inf
        scores += wide
    allowed = jnp.broadcast_to(allowed, scores.shape)
    return jnp.where(allowed, scores, 0.0), allowed


def _within(limits, queries, keys):
    """[batch, 1, queries, keys]: which pairs the limits allow."""
    row, column = jnp.arange(queries)[:, None], jnp.arange(keys)
    many, most, first, last = (n[:, None, None, None] for n in limits.T)
    place = column - row
    return (row < many) & (column < most) & (place >= first) & (place <= last)


def _weights(scores, allowed, top):
    shifted = jnp.where(allowed, scores - top, 0.0)
    return jnp.where(allowed, jnp.exp(shifted), 0.0)


def _of_scores(q, k, v, limits, mask, bias, out, top, total, dout, scale):
    """(weights, cotangents of scores, which pairs are allowed)."""
    scores, allowed = _scores(q, k, limits, mask, bias, scale)
    p = _weights(scores, allowed, top[..., None]) / total[..., None]
    dp = _dot_heads(dout, for_each_query_head(v, q))
    shared = delta(out, dout)[..., None]
    return p, jnp.where(allowed, p * (dp - shared), 0.0), allowed


def delta(out, dout):
    """[batch, heads, queries]: the sum of dout * out over a head's elements."""
    product = dout.astype(jnp.float32) * out.astype(jnp.float32)
    return product.sum(axis=-1).swapaxes(1, 2)


def _dot_heads(x, y):
    return jnp.einsum(
        "bihd,bjhd->bhij",
        x,
        y,
        precision=lax.Precision.HIGHEST,
        preferred_element_type=jnp.float32,
    )


def for_each_query_head(x, q):
    """x [b, j, kv_heads, d] with each head repeated for its group of heads of q."""
    return jnp.repeat(x, q.shape[2] // x.shape[2], axis=2)


def _for_each_key_head(dx, x):
    """dx [b, heads, j, d] added up over groups, in the layout of x."""
    batch, length, heads, dim = x.shape
    return dx.reshape(batch, heads, -1, length, dim).sum(axis=2).swapaxes(1, 2)
