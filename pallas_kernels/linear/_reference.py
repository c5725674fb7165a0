"""y = activation(z), z = x @ weight + bias; float32 sums.

Source of gelu by tanh: Hendrycks and Gimpel 2016 (arXiv:1606.08415), section 2.
"""

import jax.numpy as jnp
from jax import lax

from torchlean_jax.pallas_kernels._arguments import as_rows
from torchlean_jax.pallas_kernels.linear._activations import ACTIVATIONS


def linear(x, weight, bias, *, activation):
    """(y, z): z in float32, which the backward program takes."""
    value, _ = ACTIVATIONS[activation]
    z = product(x, weight) + bias.astype(jnp.float32)
    return value(z).astype(x.dtype), z


def linear_backward(x, weight, z, dy, *, activation):
    """(dx, dweight, dbias in float32). With dz = dy * activation'(z), rounded to the
    common dtype of x and weight, in which it is multiplied: dx = dz @ weight^T,
    dweight = x^T @ dz, dbias = sum of dz over rows.

    That this is the derivative of `linear` is a part of the contract.
    """
    _, slope = ACTIVATIONS[activation]
    dz = (dy.astype(jnp.float32) * slope(z)).astype(
        jnp.promote_types(x.dtype, weight.dtype)
    )
    dx = product(dz, weight.T)
    dweight = product(as_rows(x).T, as_rows(dz))
    dbias = as_rows(dz).astype(jnp.float32).sum(axis=0)
    return dx.astype(x.dtype), dweight.astype(weight.dtype), dbias


def product(a, b):
    dtype = jnp.promote_types(a.dtype, b.dtype)
    return jnp.matmul(
        a.astype(dtype),
        b.astype(dtype),
        precision=lax.Precision.HIGHEST,
        preferred_element_type=jnp.float32,
    )
