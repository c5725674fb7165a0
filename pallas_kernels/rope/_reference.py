"""Pairs of elements turned by an angle that grows with the position.

Pair k of n / 2 in a row at position p turns by t = p * base**(-2 k / n):

    first' = first cos t - second sin t,      second' = first sin t + second cos t.

Source: Su et al. 2021, RoFormer (arXiv:2104.09864), eq. 15 and 34.
"""

import jax.numpy as jnp
import numpy as np

# Where a row of n elements holds the pair k: (stride, offset of first, of second).
LAYOUTS = {
    "interleaved": lambda n: (2, 0, 1),
    "half": lambda n: (1, 0, n // 2),
}


def frequencies(n: int, base: float) -> np.ndarray:
    """base**(-2 k / n), computed in float64 and rounded once to float32."""
    return (float(base) ** (-2.0 * np.arange(n // 2) / n)).astype(np.float32)


def rope(x, positions, *, base, layout, sign=1.0):
    """sign: -1 turns back, which is the transpose and so the derivative's."""
    n = x.shape[-1]
    stride, at_first, at_second = LAYOUTS[layout](n)
    length = stride * (n // 2 - 1) + 1
    first = x[..., at_first : at_first + length : stride].astype(jnp.float32)
    second = x[..., at_second : at_second + length : stride].astype(jnp.float32)
    turn = positions.astype(jnp.float32)[..., None] * frequencies(n, base)
    cos, sin = jnp.cos(turn), sign * jnp.sin(turn)
    pair = first * cos - second * sin, first * sin + second * cos
    if layout == "interleaved":
        y = jnp.stack(pair, axis=-1).reshape(x.shape)
    else:
        y = jnp.concatenate(pair, axis=-1)
    return y.astype(x.dtype)
