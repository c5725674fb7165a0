"""The activations, and their derivatives, as functions of what comes before them."""

import math

import jax
import jax.numpy as jnp

_C, _A = math.sqrt(2 / math.pi), 0.044715


def _relu(z):
    return jnp.maximum(z, 0.0)


def _relu_slope(z):
    return jnp.where(z > 0, 1.0, 0.0)


def _silu(z):
    return z * jax.lax.logistic(z)


def _silu_slope(z):
    share = jax.lax.logistic(z)
    return share + z * share * (1.0 - share)


def _tanh_slope(z):
    y = jnp.tanh(z)
    return 1.0 - y * y


def _gelu(z):
    return 0.5 * z * (1.0 + jnp.tanh(_C * (z + _A * (z * z * z))))


def _gelu_slope(z):
    """With the constants of `_gelu` as they are: 3 * 0.044715, rounded once, would be
    the slope of another function."""
    y = jnp.tanh(_C * (z + _A * (z * z * z)))
    inner = _C * (1.0 + _A * (3.0 * z * z))
    return 0.5 * (1.0 + y) + 0.5 * z * (1.0 - y * y) * inner


ACTIVATIONS = {
    "none": (lambda z: z, jnp.ones_like),
    "relu": (_relu, _relu_slope),
    "silu": (_silu, _silu_slope),
    "tanh": (jnp.tanh, _tanh_slope),
    "gelu_tanh": (_gelu, _gelu_slope),
}
