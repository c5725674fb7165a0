"""Rules that take complex numbers apart and put them together."""

from operator import methodcaller

import jax.numpy as jnp
import numpy as np

from torchlean_jax.domains.real._apply import elementwise
from torchlean_jax.domains.real._flint import flint
from torchlean_jax.domains.real._value import RealArray, each, each2, rules


@rules.define("real")
def _real(x):
    return x.real


@rules.define("imag")
def _imag(x):
    return x.imag


@rules.define("complex")
def _complex(x, y):
    dtype = np.complex128 if x.dtype == jnp.float64 else np.complex64
    finite = (x.known_finite and y.known_finite) or None
    x, y = np.broadcast_arrays(x.balls, y.balls)
    return RealArray(each2(flint().acb, x, y), dtype, finite=finite)


@rules.define("conj")
def _conj(x, *, input_dtype):
    """Of real numbers too: the result is complex."""
    del input_dtype
    balls = each(flint().acb, x.balls)
    result = RealArray(balls, np.result_type(x.dtype, np.complex64))
    return elementwise(methodcaller("conjugate"), result, total=True)
