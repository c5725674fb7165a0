"""The sum of binary32 numbers to nearest even by the float unit, without x64.

The hardware rounds as IEEE 754 asks, except that it may read subnormal operands as zero
and write zero for subnormal results. Where both operands are below 2**-63 they are
scaled by 2**64 on the way in and out, by integer operations where they are subnormal;
elsewhere a subnormal operand is far below half a unit of any result.
"""

import jax.numpy as jnp
import numpy as np
from jax import lax

from torchlean_jax.domains.ieee32._format import BINARY32
from torchlean_jax.domains.ieee32._kernels._pieces import u

_SMALL = u((127 - 63) << 23)  # 2**-63
_SCALED_NORMAL = u((127 - 62) << 23)  # 2**-126 * 2**64


def _float(bits):
    return lax.bitcast_convert_type(bits, jnp.float32)


def _bits(x):
    return lax.bitcast_convert_type(x, jnp.uint32)


def add(x, y):
    """The bits of x + y; some NaN where there is no number."""
    plain = _bits(_float(x) + _float(y))
    scaled = _float(_scaled(x)) + _float(_scaled(y))
    bits = _bits(scaled)
    size = bits & BINARY32.magnitude
    # of a subnormal sum, the number of units of 2**-149
    units = (jnp.abs(scaled) * np.float32(2.0**85)).astype(jnp.int32)
    back = jnp.where(
        size < _SCALED_NORMAL, units.astype(jnp.uint32), size - u(64 << 23)
    )
    # x + 0 is x to XLA's simplifier, but -0 + 0 is +0: only two negative zeros sum up
    # to one (where both are small, a sum of 0 is exact)
    sign = jnp.where(back == 0, x & y, bits) & BINARY32.sign
    small = jnp.maximum(x & BINARY32.magnitude, y & BINARY32.magnitude) < _SMALL
    return jnp.where(small, back | sign, plain)


def _scaled(x):
    """The bits of x * 2**64; only read where |x| is small."""
    magnitude = x & BINARY32.magnitude
    units = (x & BINARY32.fraction).astype(jnp.int32).astype(jnp.float32)
    subnormal = _bits(units * np.float32(2.0**-85))
    normal = magnitude + u(64 << 23)
    scaled = jnp.where(magnitude < BINARY32.smallest_normal, subnormal, normal)
    return scaled | (x & BINARY32.sign)
