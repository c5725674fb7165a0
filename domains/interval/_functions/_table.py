"""The generated numbers in the form the kernels use, and the two steps every function
shares.

`table(dtype)` gives polynomials to call, constants as floats and as pairs, and
`error[name]`: the proved bound on |computed - exact| / |exact| in units of u = 2**-24
or 2**-53.
"""

import functools
from types import SimpleNamespace
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from torchlean_jax.domains.interval import _coefficients
from torchlean_jax.domains.interval._functions._pair import Pair

# Points of one floating dtype, and what encloses a function there: `(lo, hi)`.
Points = Float[Array, "*shape"]
Bounds = tuple[Float[Array, "*shape"], Float[Array, "*shape"]]


class Polynomial(tuple):
    """Coefficients, lowest first; calling it is Horner's rule and nothing else."""

    def __call__(self, z):
        result = self[-1]
        for coefficient in self[-2::-1]:
            result = result * z + coefficient
        return result


@functools.cache
def _table(name):
    numbers = _coefficients.TABLES[name]
    members = {key: Polynomial(value) for key, value in numbers["polynomials"].items()}
    members |= {key: Pair(*value) for key, value in numbers["pairs"].items()}
    members |= numbers["floats"]
    return SimpleNamespace(**members, error=numbers["errors"])


def table(dtype):
    """The numbers for endpoints of `dtype`, which is float32 or float64."""
    return _table(jnp.dtype(dtype).name)


def widen(y, units, floor=None, ceiling=None, absolute: Any = 0.0):
    """`(lo, hi)` around a `y` with an error of at most units u |y| + absolute + 14
    smallest normals.

    The absolute part is for results next to underflow: each intermediate result that
    the hardware flushes costs less than one smallest normal number, and no kernel here
    can lose 14 that reach its result. The step leaves room for its own rounding as
    `_rounding.py` explains. Bounds that are known exactly, such as 0 below an
    exponential, cut the result off.
    """
    kind = jnp.finfo(y.dtype)
    relative = jnp.asarray((units + 1) * (float(kind.epsneg) * (1 + 2**-10)), y.dtype)
    absolute = 16 * kind.smallest_normal + absolute
    # An infinity came from an overflow: it stands for some large real, so one end is
    # finite.
    low, high = jnp.minimum(y, kind.max), jnp.maximum(y, -kind.max)
    lo = low - (jnp.abs(low) * relative + absolute)
    hi = high + (jnp.abs(high) * relative + absolute)
    if floor is not None:
        lo, hi = jnp.maximum(lo, floor), jnp.maximum(hi, floor)
    if ceiling is not None:
        lo, hi = jnp.minimum(lo, ceiling), jnp.minimum(hi, ceiling)
    return lo, hi


def differentiable(derivative):
    """Give a function from points to `(lo, hi)` the derivative of what it encloses.

    Both endpoints move with f itself: the widening is a step function of the bits, and
    its derivative is nobody's gradient. `derivative` is f in ordinary JAX.
    """

    def decorate(bounds):
        @functools.wraps(bounds)
        def checked(*points):
            points = jnp.broadcast_arrays(*points)
            for x in points:
                if x.dtype.name not in _coefficients.TABLES:
                    raise TypeError(
                        f"{bounds.__name__} encloses float32 and float64, "
                        f"not {x.dtype.name}; convert the endpoints first "
                        "(outward, if the conversion rounds)"
                    )
            return with_derivative(*points)

        with_derivative = jax.custom_jvp(bounds)

        @with_derivative.defjvp
        def _(points, tangents):
            _, tangent = jax.jvp(derivative, points, tangents)
            return with_derivative(*points), (tangent, tangent)

        return checked

    return decorate
