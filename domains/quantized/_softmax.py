"""The quantised rule for softmax as a whole: a table of exp and one integer division.

With q on a grid of scale s and d = q - max q, the share is exp(s d) over the sum of
them. d takes as many values as q, E = round(2**p exp(s d)) is a table, and the result
on the grid of scale 1 / M is (2 E M + S) / (2 S) with S = sum E, cut to whole steps:
rounded to nearest, halves up. Only E is rounded before.
"""

import jax.numpy as jnp
import numpy as np
from jax import lax

from torchlean_jax.domains._errors import InputError
from torchlean_jax.domains.quantized._table import entry
from torchlean_jax.domains.quantized._value import Quantized, narrow, rules

_MOST_BITS = 15  # of an E
_SUM_BITS = 29  # of S, and of 2 E M


@rules.define_op("softmax")
def _softmax(operation, x):
    x, axis = narrow(x), operation.params["axis"]
    first, last = x.scheme.limits
    steps, zero = _steps(operation.span, x.scheme)
    terms = x.shape[axis]
    spare = _SUM_BITS - max((2 * steps).bit_length(), terms.bit_length())
    bits = min(_MOST_BITS, spare)
    if bits < x.scheme.bits:
        raise InputError(
            f"a softmax of {terms} elements whose shares were at most "
            f"{operation.span[1]:.3g} in calibration does not fit 32-bit sums"
        )
    integers = x.integers.astype(jnp.int32)
    # min and max that change nothing: limits found term by term do not know that
    # nothing is above the largest, nor that a sum holds exp(0)
    below = jnp.minimum(integers - jnp.max(integers, axis, keepdims=True), 0)
    differences = np.arange(first - last, 1) * float(np.ravel(x.scale)[0])
    table = np.rint(2.0**bits * np.exp(differences)).astype(np.int32)
    powers = entry(table, below + np.int32(last - first))
    total = jnp.maximum(jnp.sum(powers, axis, keepdims=True), np.int32(2**bits))
    total = jnp.broadcast_to(total, x.shape)
    shares = lax.div(powers * np.int32(2 * steps) + total, 2 * total)
    integers = lax.min(shares + np.int32(zero), np.int32(last))
    most = min(steps, last - zero)
    scale = np.float64(1 / steps)
    return Quantized(integers.astype(jnp.int8), scale, zero, 0, most, x.scheme)


def _steps(span, scheme) -> tuple[int, int]:
    """(M, zero point) for shares up to the largest that was observed."""
    scale, _ = scheme.grid((0.0, span[1]))
    return max(int(1 / scale), 1), 0 if scheme.symmetric else scheme.limits[0]
