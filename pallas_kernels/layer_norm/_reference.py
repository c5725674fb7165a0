"""y = (x - mean(x)) / sqrt(var(x) + eps) * weight + bias along the last axis.

The variance is the mean of squared deviations: as mean(x**2) - mean(x)**2 it cancels,
and [40000 .. 40003] would come out hundreds wide.

Source: Ba, Kiros and Hinton 2016, Layer Normalization (arXiv:1607.06450), eq. 3 and 4.
"""

import jax
import jax.numpy as jnp


def layer_norm(x, weight, bias, *, eps):
    centred, scale = _standardised(x, eps)
    y = centred * scale * weight.astype(jnp.float32) + bias.astype(jnp.float32)
    return y.astype(x.dtype)


def layer_norm_backward(x, weight, dy, *, eps):
    """(dx, dweight, dbias). With r = 1/sqrt(var(x) + eps), c = x - mean(x) and
    u = weight * dy: dx = r * (u - mean(u)) - r**3 * mean(u * c) * c, dweight = sum of
    dy * c * r and dbias = sum of dy over all rows.

    That this is the derivative of `layer_norm` is a part of the contract.
    """
    centred, scale = _standardised(x, eps)
    up = dy.astype(jnp.float32)
    weighted = up * weight.astype(jnp.float32)
    level = jnp.mean(weighted, axis=-1, keepdims=True)
    shared = jnp.mean(weighted * centred, axis=-1, keepdims=True) * scale**3
    dx = scale * (weighted - level) - shared * centred
    rows = tuple(range(x.ndim - 1))
    dweight = (up * centred * scale).sum(axis=rows)
    return dx.astype(x.dtype), dweight.astype(weight.dtype), up.sum(axis=rows)


def _standardised(x, eps):
    """(x - mean(x), 1 / sqrt(var(x) + eps)) in float32."""
    wide = x.astype(jnp.float32)
    centred = wide - jnp.mean(wide, axis=-1, keepdims=True)
    variance = jnp.mean(centred * centred, axis=-1, keepdims=True)
    return centred, jax.lax.rsqrt(variance + eps)
