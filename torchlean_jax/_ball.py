"""`ball`: an input set given by a centre, a radius and a norm."""

import jax.numpy as jnp
import numpy as np

from torchlean_jax.domains._errors import InputError
from torchlean_jax.domains.affine._ball import Ball
from torchlean_jax.domains.interval._exact import is_tracer, narrowed_ends
from torchlean_jax.domains.interval._rounding import round_up


def ball(x, radius, *, norm: int = 2) -> Ball:
    """The set of inputs within `radius` of `x` in the L1 or L2 norm.

    For the maximum norm use `tl.box(x, radius=r)`. The dtype is that of `x`; the radius
    is rounded up to it. `tl.bounds` and `tl.verify` take balls wherever they take
    boxes.

    Raises InputError if `x` is not floating, something is not finite, the radius is not
    one non-negative number, or the norm is neither 1 nor 2.

    >>> ball(jnp.zeros(3), 0.5, norm=1).hull.contains(0.5).all().item()
    True
    """
    if norm not in (1, 2):
        raise InputError(
            f"norm {norm!r}: balls have norm 1 or 2; for others see tl.box"
        )
    if isinstance(x, (int, float, list, tuple)):
        x = np.asarray(x, np.float32)
    if not jnp.issubdtype(jnp.result_type(x), jnp.floating):
        raise InputError(
            f"x has dtype {jnp.result_type(x)}; cast it to a floating dtype"
        )
    if np.ndim(radius) != 0:
        raise InputError(f"radius has shape {np.shape(radius)}; it is one number")
    x = jnp.asarray(x)
    if is_tracer(x, radius):
        return Ball(x, round_up(jnp.asarray(radius, x.dtype)), norm)
    if not (np.isfinite(np.asarray(x, np.float64)).all() and 0 <= radius < np.inf):
        raise InputError(
            f"x must be finite and radius ({radius}) finite and not negative"
        )
    exact = np.asarray(radius, np.float64)
    return Ball(x, jnp.asarray(narrowed_ends(exact, exact, x.dtype)[1]), norm)
