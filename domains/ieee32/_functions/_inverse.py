"""asin, acos, atan, atan2, asinh, acosh."""

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike

from torchlean_jax.domains.ieee32._functions._convert import (
    INFINITY,
    MAGNITUDE,
    QUIET_NAN,
    Bits,
    CorrectlyRounded,
    checked,
    narrow,
    widen,
)
from torchlean_jax.domains.ieee32._functions._log import (
    log1p_values,
    log_kernel,
    split,
)
from torchlean_jax.domains.ieee32._functions._root import root
from torchlean_jax.domains.ieee32._functions._table import T

# tan(pi/8) and its inverse, roughly: where the argument of `atan_kernel` changes.
_FLAT, _STEEP = 0.4142, 2.4142


def atan_kernel(offset, low, q, z, t):
    """offset + low + atan(q) for z = q**2, |q| <= tan(pi/8)."""
    return offset + ((low + q * (z * t.atan(z))) + q)


def atan_small(q, z, t):
    """atan(q), relatively accurate."""
    return q + q * (z * t.atan(z))


def _angle(a, b):
    """`(quotient, eighths)`: the angle of (b, a) is atan(quotient) + eighths pi/4.

    a - b and a + b are exact where they are used: the exponents differ by 2 at most.
    """
    flat, steep = a < b * _FLAT, a > b * _STEEP
    top = jnp.where(flat, a, jnp.where(steep, -b, a - b))
    bottom = jnp.where(flat, b, jnp.where(steep, a, a + b))
    return top / bottom, jnp.where(flat, 0, jnp.where(steep, 2, 1))


def _turned(q, eighths):
    """atan(q) + eighths pi/4."""
    z = q * q
    turns = eighths.astype(jnp.float64)
    # Multiples of pi/4 by 0 to 4, in two parts: head of 50 bits, so exact.
    head, low = turns * T.quarter_pi_high, turns * T.quarter_pi_low
    far = atan_kernel(head, low, q, z, T)
    return jnp.where(eighths == 0, atan_small(q, z, T), far)


def _atan(x):
    """The arc tangent."""
    quotient, eighths = _angle(jnp.minimum(x, 2.0**200), 1.0)
    return _turned(jnp.where(eighths == 0, x, quotient), eighths)


def asin_small(x, z, t):
    """asin(x) for z = x**2, |x| <= 1/2."""
    return x + x * (z * t.asin(z))


def from_half_pi(multiple, y, t):
    """multiple pi/2 - y."""
    return multiple * t.half_pi - (y - multiple * t.half_pi_low)


def _half_angle(x):
    """asin(sqrt((1 - x) / 2)) for 1/2 <= x <= 1: half of acos(x).

    (1 - x) / 2 is exact; where it is 0, the number in its place gives 2**-100.
    """
    z = jnp.maximum(0.5 * (1.0 - x), 2.0**-200)
    return asin_small(root(z), z, T)


def _asin(x):
    """The arc sine."""
    far = from_half_pi(1.0, 2.0 * _half_angle(jnp.clip(x, 0.5, 1.0)), T)
    y = jnp.where(x < 0.5, asin_small(x, x * x, T), far)
    return jnp.where(x <= 1.0, y, jnp.nan)


def _acos(x):
    """The arc cosine."""
    size = jnp.abs(x)
    angle = 2.0 * _half_angle(jnp.clip(size, 0.5, 1.0))
    outer = jnp.where(x < 0, from_half_pi(2.0, angle, T), angle)
    near = jnp.clip(x, -0.5, 0.5)
    inner = from_half_pi(1.0, asin_small(near, near * near, T), T)
    y = jnp.where(size < 0.5, inner, jnp.where(x == 1.0, 0.0, outer))
    return jnp.where(size <= 1.0, y, jnp.nan)


def asinh_small(x, z, t):
    """x + x z p(z); with z = x**2 this is asinh(x) for |x| <= 1/2."""
    return x + x * (z * t.asinh(z))


def asinh_argument(x, z, sqrt):
    """x + sqrt(z + 1)."""
    return sqrt(z + 1.0) + x


def _asinh(x):
    """The inverse hyperbolic sine."""
    far = jnp.clip(x, 0.5, 2.0**200)
    y = log_kernel(*split(asinh_argument(far, far * far, root)), T)
    y = jnp.where(x < 0.5, asinh_small(x, x * x, T), y)
    return jnp.where(x == jnp.inf, x, y)


def acosh_argument(above, sqrt):
    """x - 1 + sqrt(x**2 - 1) for above = x - 1."""
    return above + sqrt(above * (above + 2.0))


def _acosh(x):
    """The inverse hyperbolic cosine: log(1 + (x - 1) + sqrt(x**2 - 1))."""
    above = jnp.clip(x, 1.0 + 2.0**-24, 2.0**200) - 1.0
    y = log1p_values(acosh_argument(above, root))
    y = jnp.where(x == 1.0, 0.0, jnp.where(x == jnp.inf, x, y))
    return jnp.where(x >= 1.0, y, jnp.nan)


def atan2_values(y, x):
    """The angle of (x, y), between 0 and pi, for y >= 0."""
    a, b = y, jnp.abs(x)
    far, wide = a == jnp.inf, b == jnp.inf
    origin = (a == 0) & (b == 0)
    # What counts of an infinity is its direction; the origin lies on the axis.
    a, b = (
        jnp.where(far, 1.0, jnp.where(wide, 0.0, a)),
        jnp.where(wide | origin, 1.0, jnp.where(far, 0.0, b)),
    )
    q, eighths = _angle(a, b)
    left = jnp.signbit(x)
    return _turned(jnp.where(left, -q, q), jnp.where(left, 4 - eighths, eighths))


@jax.jit
def _atan2(y, x):
    nan = ((y & MAGNITUDE) > INFINITY) | ((x & MAGNITUDE) > INFINITY)
    angle = narrow(atan2_values(widen(y & MAGNITUDE), widen(x)))
    return jnp.where(nan, QUIET_NAN, angle | (y & ~MAGNITUDE))


def atan2(y: ArrayLike, x: ArrayLike) -> Bits:
    """The angle of (x, y), on bit patterns.

    Within 1 ulp; in fact within 1/2 + 2**-24 ulp.
    """
    with jax.enable_x64(True):
        return _atan2(checked(y, "atan2"), checked(x, "atan2"))


asin = CorrectlyRounded("asin", _asin, symmetry="odd", fixes_tiny=True)
acos = CorrectlyRounded("acos", _acos)
atan = CorrectlyRounded("atan", _atan, symmetry="odd", fixes_tiny=True)
asinh = CorrectlyRounded("asinh", _asinh, symmetry="odd", fixes_tiny=True)
acosh = CorrectlyRounded("acosh", _acosh)
