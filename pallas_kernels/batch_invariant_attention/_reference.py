"""The formula is attention's; here is its order on platforms without the kernel.

Scores are sums over head_dim, and what is weighted is summed over the keys from the
first to the last. A key that may not be looked at adds 0 to every sum, so it does not
matter how many there are; of the largest score no order has other bits.
"""

import jax.numpy as jnp

from torchlean_jax.pallas_kernels import _fixed_order
from torchlean_jax.pallas_kernels.attention._reference import (
    LOWEST,
    allowed_and_biased,
    around_products,
    for_each_query_head,
)


def fixed_order(q, k, v, limits, mask=None, bias=None, *, scale):
    k, v = (for_each_query_head(x, q).transpose(0, 2, 1, 3) for x in (k, v))
    # scaled before the sum: a product behind it could be fused with what follows
    scaled = scale * q.astype(jnp.float32).swapaxes(1, 2)
    dots = _fixed_order.matmul(scaled, k.swapaxes(2, 3))
    scores, allowed = allowed_and_biased(dots, limits, mask, bias)
    some = allowed.any(axis=-1)
    top = jnp.where(allowed, scores, LOWEST).max(axis=-1, initial=LOWEST)
    top = jnp.where(some, top, 0.0)
    shifted = jnp.where(allowed, scores - top[..., None], 0.0)
    weights = jnp.where(allowed, _fixed_order.exp(shifted), 0.0)
    total = jnp.where(some, _fixed_order.total(weights), 1.0)
    shares = (weights / total[..., None]).astype(v.dtype)
    finite = jnp.isfinite(v)
    product = _fixed_order.matmul(shares, jnp.where(finite, v, 0))
    out = product + around_products(v, allowed)
    return out.swapaxes(1, 2).astype(q.dtype), top, total
