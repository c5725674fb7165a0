"""log, log2, log1p.

x = 2**e (1 + f) with sqrt(1/2) <= 1 + f < sqrt(2), and with s = f / (2 + f) and h =
f**2 / 2,

    log(1 + f) = f - (h - s (h + s**2 p(s**2))).

The division enters only through a correction, a tenth of the result at most.
"""

import jax.numpy as jnp
import numpy as np

from torchlean_jax.domains.ieee32._functions._convert import (
    CorrectlyRounded,
    bits_of,
    float_of,
)
from torchlean_jax.domains.ieee32._functions._table import T, exact_product

# The bits of the float64 next to sqrt(1/2).
_ROOT = np.int64(0x3FE6A09E667F3BCD)


def split(x):
    """`(f, e)` as float64 with x = 2**e (1 + f), for x > 0; f is exact."""
    above = bits_of(x) - _ROOT
    e = above >> 52
    m = float_of(bits_of(x) - (e << 52))
    return m - 1.0, e.astype(jnp.float64)


def correction(f, t):
    """f - log(1 + f)."""
    s = f / (2.0 + f)
    z = s * s
    half = 0.5 * (f * f)
    return half - s * (half + z * t.artanh(z))


def log_part(f, e, t):
    """log(1 + f) + e ln2_low."""
    return (e * t.ln2_low - correction(f, t)) + f


def log_kernel(f, e, t):
    """log(1 + f) + e ln 2; e * ln2_high is exact (8 + 41 bits)."""
    return exact_product(e, t.ln2_high) + log_part(f, e, t)


def log2_part(f, t):
    """log2(1 + f), for an f of 24 bits: f * log2_e_high is exact (24 + 29 bits)."""
    scaled = f * t.log2_e_low - correction(f, t) * t.log2_e
    return exact_product(f, t.log2_e_high) + scaled


def log2_kernel(f, e, t):
    """log2(1 + f) + e."""
    return e + log2_part(f, t)


def with_limits(x, y):
    """The value y of a logarithm at x, or its limit, or NaN."""
    y = jnp.where(x == 0, -jnp.inf, jnp.where(x == jnp.inf, x, y))
    return jnp.where(x < 0, jnp.nan, y)


def _log(x):
    """The natural logarithm."""
    return with_limits(x, log_kernel(*split(jnp.abs(x)), T))


def log2_values(x):
    """log2(x) for positive binary32 numbers x."""
    return log2_kernel(*split(x), T)


def _log2(x):
    """The logarithm to base 2."""
    return with_limits(x, log2_values(jnp.abs(x)))


def log1p_values(x):
    """log(1 + x) for float64 numbers x > -1."""
    near = (x > -0.2928) & (x < 0.4142)
    f, e = split(1.0 + x)
    return log_kernel(jnp.where(near, x, f), jnp.where(near, 0.0, e), T)


def _log1p(x):
    """log(1 + x)."""
    # 1 + x is exact where it is used, up to 2**28.
    return with_limits(1.0 + x, log1p_values(jnp.maximum(x, -1.0)))


log = CorrectlyRounded("log", _log)
log2 = CorrectlyRounded("log2", _log2)
log1p = CorrectlyRounded("log1p", _log1p, fixes_tiny=True)
