"""sin, cos, tan."""

import jax.numpy as jnp

from torchlean_jax.domains.ieee32._functions._convert import CorrectlyRounded
from torchlean_jax.domains.ieee32._functions._reduction import reduced
from torchlean_jax.domains.ieee32._functions._table import T


def sin_kernel(r, z, t):
    """r + r z p(z); with z = r**2 this is sin(r) for |r| < 0.79."""
    return r + r * (z * t.sin(z))


def cos_kernel(z, t):
    """cos(r) for z = r**2, |r| < 0.79."""
    return 1.0 + z * (z * t.cos(z) - 0.5)


def _sine_of_turn(r, turn):
    """sin(r + turn pi/2)."""
    z = r * r
    y = jnp.where(turn & 1 == 0, sin_kernel(r, z, T), cos_kernel(z, T))
    return jnp.where(turn & 2 == 0, y, -y)


def _sin(x):
    """The sine."""
    y = _sine_of_turn(*reduced(x))
    return jnp.where(x < jnp.inf, y, jnp.nan)


def _cos(x):
    """The cosine."""
    r, k = reduced(x)
    return jnp.where(x < jnp.inf, _sine_of_turn(r, k + 1), jnp.nan)


def tan_kernel(numerator, denominator):
    """The quotient of sine and cosine."""
    return numerator / denominator


def _tan(x):
    """The tangent."""
    r, k = reduced(x)
    z = r * r
    s, c = sin_kernel(r, z, T), cos_kernel(z, T)
    even = k & 1 == 0
    y = tan_kernel(jnp.where(even, s, -c), jnp.where(even, c, s))
    return jnp.where(x < jnp.inf, y, jnp.nan)


sin = CorrectlyRounded("sin", _sin, symmetry="odd", fixes_tiny=True)
cos = CorrectlyRounded("cos", _cos, symmetry="even")
tan = CorrectlyRounded("tan", _tan, symmetry="odd", fixes_tiny=True)
