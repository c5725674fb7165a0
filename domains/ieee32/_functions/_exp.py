"""exp, exp2, expm1.

x = k ln 2 + r with |r| < 0.3475. k * ln2_high is exact (8 + 41 bits), and so is its
difference from x: both are multiples of 2**-48, as x is at least 0.34 where k is not 0.
Then exp(x) = 2**k (1 + r + r**2 p(r)).
"""

import jax.numpy as jnp

from torchlean_jax.domains.ieee32._functions._convert import (
    CorrectlyRounded,
    two_to,
)
from torchlean_jax.domains.ieee32._functions._table import T


def reduced(x):
    """`(r, k)` with x = k ln 2 + r, for |x| < 152."""
    k = jnp.round(x * T.log2_e)
    return (x - k * T.ln2_high) - k * T.ln2_low, k


def above_one(r, t):
    """exp(r) - 1, relatively accurate."""
    return r + (r * r) * t.exp(r)


def exp_kernel(r, t):
    """exp(r) for a reduced r."""
    return 1.0 + above_one(r, t)


def exp_values(x):
    """exp(x) for |x| < 152."""
    r, k = reduced(x)
    return exp_kernel(r, T) * two_to(k)


def _exp(x):
    """The exponential function."""
    # exp(-104) < 2**-150 rounds to 0, exp(89) overflows.
    return exp_values(jnp.clip(x, -104.0, 89.0))


def exp2_kernel(f, t):
    """2**f for |f| <= 1/2."""
    return 1.0 + f * t.exp2(f)


def exp2_values(x):
    """2**x for |x| < 1000."""
    k = jnp.round(x)
    return exp2_kernel(x - k, T) * two_to(k)


def _exp2(x):
    """2 to the power x."""
    return exp2_values(jnp.clip(x, -151.0, 129.0))


def expm1_kernel(r, scale, t):
    """scale * exp(r) - 1 for a power of two: no cancellation, and exact next to 0."""
    return scale * above_one(r, t) + (scale - 1.0)


def _expm1(x):
    """exp(x) - 1."""
    r, k = reduced(jnp.clip(x, -104.0, 89.0))
    return expm1_kernel(r, two_to(k), T)


exp = CorrectlyRounded("exp", _exp)
exp2 = CorrectlyRounded("exp2", _exp2)
expm1 = CorrectlyRounded("expm1", _expm1, fixes_tiny=True)
