"""tanh, logistic, sinh, cosh, atanh: functions of exp(x) and log(1 + x)."""

import jax.numpy as jnp

from torchlean_jax.domains.ieee32._functions._convert import (
    CorrectlyRounded,
    bits_of,
    float_of,
)
from torchlean_jax.domains.ieee32._functions._exp import exp_values
from torchlean_jax.domains.ieee32._functions._log import log1p_values
from torchlean_jax.domains.ieee32._functions._table import T


def tanh_small(x, z, t):
    """x + x z p(z); with z = x**2 this is tanh(x) for |x| < 1/2."""
    return x + x * (z * t.tanh(z))


def tanh_large(e):
    """1 - 2 / (e + 1); with e = exp(2 x) this is tanh(x) for x >= 1/2."""
    return 1.0 - 2.0 / (e + 1.0)


def _tanh(x):
    """The hyperbolic tangent."""
    small = tanh_small(x, x * x, T)
    # 1 - tanh(10) < 2**-27: the result is 1 from there on.
    large = tanh_large(exp_values(2.0 * jnp.minimum(x, 10.0)))
    return jnp.where(x < 0.5, small, large)


def logistic_kernel(numerator, e):
    """1 / (1 + e) or e / (1 + e), for e = exp(-|x|)."""
    return numerator / (1.0 + e)


# Below this, 1/2 + x/4 is a midpoint too often for a table.
_NEARLY_STRAIGHT = 2.0**-15


def logistic_small(x):
    """A number on the same side of every midpoint as 1 / (1 + exp(-x)), |x| < 2**-15.

    That is 1/2 + x/4 - d with 0 < d < |x|**3 / 48 for x > 0, and so mirrored for x < 0.
    Below |x| = 2**-24 everything rounds to 1/2. From there on the line 1/2 + x/4 is
    exact in float64, and a multiple of a quarter of x's last place, as every midpoint
    is: that is more than d and more than a step of float64. So a midpoint lies on the
    line, where the step decides, or further from it than d and the step.
    """
    return float_of(bits_of(0.5 + 0.25 * x) + jnp.where(x < 0, 1, -1))


def _logistic(x):
    """1 / (1 + exp(-x))."""
    e = exp_values(-jnp.minimum(jnp.abs(x), 104.0))
    y = logistic_kernel(jnp.where(x < 0, e, 1.0), e)
    return jnp.where(jnp.abs(x) < _NEARLY_STRAIGHT, logistic_small(x), y)


def sinh_small(x, z, t):
    """x + x z p(z); with z = x**2 this is sinh(x) for |x| < 1."""
    return x + x * (z * t.sinh(z))


def sinh_large(e):
    """(e - 1/e) / 2, for e = exp(x), x >= 1."""
    return 0.5 * (e - 1.0 / e)


def cosh_kernel(e):
    """(e + 1/e) / 2, for e = exp(x), x >= 0."""
    return 0.5 * (e + 1.0 / e)


def _sinh(x):
    """The hyperbolic sine."""
    large = sinh_large(exp_values(jnp.minimum(x, 90.0)))
    return jnp.where(x < 1.0, sinh_small(x, x * x, T), large)


def _cosh(x):
    """The hyperbolic cosine."""
    return cosh_kernel(exp_values(jnp.minimum(x, 90.0)))


def atanh_argument(x):
    """2 x / (1 - x)."""
    return (2.0 * x) / (1.0 - x)


def _atanh(x):
    """The inverse hyperbolic tangent: log(1 + 2 x / (1 - x)) / 2."""
    y = 0.5 * log1p_values(atanh_argument(jnp.minimum(x, 0.99999999)))
    return jnp.where(x < 1.0, y, jnp.where(x == 1.0, jnp.inf, jnp.nan))


tanh = CorrectlyRounded("tanh", _tanh, symmetry="odd", fixes_tiny=True)
logistic = CorrectlyRounded("logistic", _logistic, reasoned_below=_NEARLY_STRAIGHT)
sinh = CorrectlyRounded("sinh", _sinh, symmetry="odd", fixes_tiny=True)
cosh = CorrectlyRounded("cosh", _cosh, symmetry="even")
atanh = CorrectlyRounded("atanh", _atanh, symmetry="odd", fixes_tiny=True)
