"""y = x / sqrt(mean(x**2) + eps) * weight along the last axis.

Source: Zhang and Sennrich 2019, Root Mean Square Layer Normalization
(arXiv:1910.07467), eq. 4, with the usual epsilon under the root.
"""

import jax
import jax.numpy as jnp


def rms_norm(x, weight, *, eps):
    wide = x.astype(jnp.float32)
    mean = jnp.mean(wide * wide, axis=-1, keepdims=True)
    y = wide * jax.lax.rsqrt(mean + eps) * weight.astype(jnp.float32)
    return y.astype(x.dtype)


def rms_norm_backward(x, weight, dy, *, eps):
    """(dx, dweight). With r = 1/sqrt(mean(x**2) + eps) and u = weight * dy:
    dx = r * u - r**3 * mean(u * x) * x, dweight = sum of dy * x * r over all rows.

    That this is the derivative of `rms_norm` is a part of the contract.
    """
    wide, up = x.astype(jnp.float32), dy.astype(jnp.float32)
    scale = jax.lax.rsqrt(jnp.mean(wide * wide, axis=-1, keepdims=True) + eps)
    weighted = up * weight.astype(jnp.float32)
    shared = jnp.mean(weighted * wide, axis=-1, keepdims=True) * scale**3
    dx = scale * weighted - shared * wide
    dweight = (up * wide * scale).sum(axis=tuple(range(x.ndim - 1)))
    return dx.astype(x.dtype), dweight.astype(weight.dtype)
