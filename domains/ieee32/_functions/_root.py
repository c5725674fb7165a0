"""sqrt, rsqrt, cbrt, and a square root whose error is known.

The library's square root is trusted to 2**-40 only: everything that follows is cut to
so few bits that its square, and the residual of that, are exact.
"""

import jax.numpy as jnp
import numpy as np

from torchlean_jax.domains.ieee32._functions._convert import (
    CorrectlyRounded,
    bits_of,
    cut,
    float_of,
    two_to,
)
from torchlean_jax.domains.ieee32._functions._table import T, exact_product


def root(z):
    """sqrt(z) for float64 z > 0, to little more than one rounding.

    z - h**2 is exact, and sqrt(z) = h + (z - h**2) / (sqrt(z) + h).
    """
    s = jnp.sqrt(z)
    h = cut(s, 26)
    return h + (z - h * h) / (s + h)


def _sqrt(x):
    """The square root.

    A 25-bit midpoint squared is exact, so one comparison decides. The midpoint is in
    the cell of the library's root, or, if that was next to a cell's edge, in the one
    below; the answer is right in both cases.
    """
    s = jnp.sqrt(jnp.where((x > 0) & (x < jnp.inf), x, 1.0))
    cell = bits_of(s) & np.int64(-(1 << 29))
    middle = float_of(cell | (1 << 28))
    y = float_of(cell + jnp.where(x > middle * middle, np.int64(1 << 29), 0))
    return _with_limits(x, y, x)


def _with_limits(x, y, end):
    """y for 0 < x < inf, `end` at zeros and infinity, NaN below."""
    y = jnp.where((x == 0) | (x == jnp.inf), end, y)
    return jnp.where(x < 0, jnp.nan, y)


def rsqrt_kernel(h, e):
    """h (1 - e)**(-1/2) for |e| < 2**-20."""
    return h + h * (e * (0.5 + 0.375 * e))


def _rsqrt(x):
    """1 / sqrt(x)."""
    z = jnp.where((x > 0) & (x < jnp.inf), x, 1.0)
    h = cut(1.0 / jnp.sqrt(z), 26)
    # z h is exact (24 + 26 bits).
    e = 1.0 - exact_product(z, h) * h
    end = jnp.where(x == 0, jnp.copysign(jnp.inf, x), 0.0)
    return _with_limits(x, rsqrt_kernel(h, e), end)


def halley(y, m):
    """A better root of y**3 = m: the relative error d becomes 2/3 d**3."""
    cube = y * y * y
    return y * ((cube + 2.0 * m) / (2.0 * cube + m))


def cbrt_kernel(h, w):
    """h (1 - w)**(-1/3) for |w| < 2**-23."""
    return h + h * (w * (T.third + T.two_ninths * w))


def _cbrt(x):
    """The cube root."""
    z = jnp.where((x > 0) & (x < jnp.inf), x, 1.0)
    exponent = (bits_of(z) >> 52) - 1023
    third = (exponent + 1200) // 3 - 400
    rest = exponent - 3 * third
    one_to_two = float_of(bits_of(z) - (exponent << 52))
    m = one_to_two * two_to(rest)
    scale = jnp.where(rest == 0, 1.0, jnp.where(rest == 1, T.cbrt2, T.cbrt4))
    h = cut(halley(T.cbrt(one_to_two) * scale, m), 26)
    # h h is exact (26 + 26 bits).
    w = (m - exact_product(h, h) * h) / m
    return jnp.where((x == 0) | (x == jnp.inf), x, cbrt_kernel(h, w) * two_to(third))


sqrt = CorrectlyRounded("sqrt", _sqrt)
rsqrt = CorrectlyRounded("rsqrt", _rsqrt)
cbrt = CorrectlyRounded("cbrt", _cbrt, symmetry="odd")
