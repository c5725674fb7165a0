"""Moving a computed endpoint outward, past everything that rounding can have done to
it.

A floating-point operation that is correct to `ulps` units in the last place returns a
number `x` with |x - exact| <= ulps * ulp(x), or, where the hardware flushes subnormal
results to zero, `x = 0` with |exact| below the smallest normal number. Moving by

    (ulps + 1/2) * 2 * u * |x| * (1 + 2**-10)  +  2 * smallest_normal        (u = unit
    roundoff)

covers both, and also the rounding of the move itself: ulp(x) <= 2 u |x| for a normal
`x`, the factor 1 + 2**-10 pays for the rounding of the product, and the second smallest
normal number pays for a result that the move makes subnormal and the hardware then
flushes the wrong way.

One step of `nextafter` would not do: the upper bound of 1.5e-38 - 1.2e-38 (flushed to
0) would be a subnormal number, which the next operation reads as 0. Nor may the move be
written in a way that a compiler can undo: there is no pair of constants here to cancel,
and contracting the product that made `x` into a fused multiply-add only removes an
error that is paid for anyway.
"""

import jax.numpy as jnp
from jaxtyping import Array, Float


def round_down(x: Float[Array, "*s"], *, ulps: float = 0.5) -> Float[Array, "*s"]:
    """A number below every real within `ulps` ulp of the computed `x`.

    +inf becomes the largest finite number (an overflow stands for some large real);
    -inf and NaN stay.
    """
    x = jnp.minimum(x, jnp.finfo(x.dtype).max)
    return x - _step(x, ulps)


def round_up(x: Float[Array, "*s"], *, ulps: float = 0.5) -> Float[Array, "*s"]:
    """A number above every real within `ulps` ulp of `x`; mirrors `round_down`."""
    x = jnp.maximum(x, -jnp.finfo(x.dtype).max)
    return x + _step(x, ulps)


def _step(x, ulps):
    kind = jnp.finfo(x.dtype)
    relative = (ulps + 0.5) * float(kind.eps) * (1 + 2**-10)
    return jnp.abs(x) * jnp.asarray(relative, x.dtype) + 2 * kind.smallest_normal
