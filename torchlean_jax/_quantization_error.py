"""`quantization_error`: how far an integer program is from the model it stands for."""

import functools

import jax
import jax.numpy as jnp
import numpy as np

from torchlean_jax._bounds import bounds
from torchlean_jax._trace import as_function
from torchlean_jax.domains.interval import Interval


def quantization_error(model, quantized, *, method: str = "crown"):
    """A bound on |quantized - model| for every input in a box, both over the reals.

    `quantization_error(f, q)(box)` has the structure of the output of `f`, an array of
    absolute errors for each leaf, infinite where nothing is known. It bounds the
    difference f - q as one program, so that what both do to the input cancels; `method`
    is a bound method of `tl.bounds`. For a `tl.quantize(f, ...)` every run of `q`
    returns what the reals say; what rounding adds to a float run of `f` is
    `tl.float_error(f)`.

    Raises what `tl.bounds` raises.

    >>> import jax.numpy as jnp, torchlean_jax as tl
    >>> f = lambda x: 3.0 * x
    >>> q = tl.quantize(f, jnp.array([-1.0, 1.0]))
    >>> error = tl.quantization_error(f, q)(tl.box(-1.0, 1.0))
    >>> bool(0.011 < error < 0.024)  # 3/2 of the input's step of 1/64, saturation at 1
    True
    """
    first, second = as_function(model), as_function(quantized)

    @functools.wraps(first, updated=())
    def difference(*args, **kwargs):
        return jax.tree.map(
            jnp.subtract, first(*args, **kwargs), second(*args, **kwargs)
        )

    enclosed = bounds(difference, method=method)

    @functools.wraps(first, updated=())
    def error(*args, **kwargs):
        found = enclosed(*args, **kwargs)
        return jax.tree.map(_size, found, is_leaf=Interval.is_value)

    return error


def _size(x: Interval):
    """The largest magnitude, which no rounding takes part in."""
    largest = jnp.maximum(jnp.abs(x.lo), jnp.abs(x.hi))
    return jnp.where(jnp.isnan(largest), np.inf, largest)
