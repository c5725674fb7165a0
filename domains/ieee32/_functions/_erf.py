"""erf and erfc.

erf(x) = x p(x**2) below 1; above, erfc(x) is a polynomial in x - 5/2 as far as erf
cares, and exp(-x**2) g((x - 4) / (x + 4)) / (1 + 2 x) where it needs to be relatively
accurate; g stays between 1.07 and 1.29.
"""

import jax.numpy as jnp

from torchlean_jax.domains.ieee32._functions._convert import CorrectlyRounded, two_to
from torchlean_jax.domains.ieee32._functions._exp import exp_kernel, reduced
from torchlean_jax.domains.ieee32._functions._table import T


def erf_small(x, z, t):
    """x p(z); with z = x**2 this is erf(x) for |x| <= 1."""
    return x * t.erf(z)


def erf_large(offset, t):
    """1 - erfc(5/2 + offset), for 1 <= x <= 3.95."""
    return 1.0 - t.erfc(offset)


def _erf(x):
    """The error function."""
    near = jnp.minimum(x, 1.0)
    # 1 - erf(3.95) < 2**-25: the result is 1 from there on.
    large = erf_large(jnp.clip(x, 1.0, 3.95) - 2.5, T)
    return jnp.where(x < 1.0, erf_small(near, near * near, T), large)


def erfc_tail(e, x, t):
    """erfc(x) from e = exp(-x**2), for x >= 1/2."""
    slow = t.erfcx((x - 4.0) / (x + 4.0))
    return (e * slow) / (2.0 * x + 1.0)


def complement(y, t):
    """1 - y."""
    return 1.0 - y


def below_two(offset, t):
    """2 - erfc(5/2 + offset) = erfc(-5/2 - offset)."""
    return 2.0 - t.erfc(offset)


def _erfc(x):
    """1 - erf(x)."""
    middle = jnp.clip(x, -1.0, 0.5)
    middle = complement(erf_small(middle, middle * middle, T), T)
    # erfc(3.95) < 2**-25: the result is 2 from there on.
    left = below_two(jnp.clip(-x, 1.0, 3.95) - 2.5, T)
    far = jnp.clip(x, 0.5, 10.125)
    # x**2 is exact, a multiple of 2**-48 as `reduced` needs it.
    r, k = reduced(-(far * far))
    right = erfc_tail(exp_kernel(r, T) * two_to(k), far, T)
    return jnp.where(x < -1.0, left, jnp.where(x > 0.5, right, middle))


erf = CorrectlyRounded("erf", _erf, symmetry="odd")
erfc = CorrectlyRounded("erfc", _erfc)
