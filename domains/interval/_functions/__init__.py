"""Enclosures of elementary functions at points, and of some on intervals.

`f_bounds(x)` returns `(lo, hi)` with lo <= f(x) <= hi for the exact real value f(x),
elementwise, in the dtype of x (float32 or float64). Nothing is assumed of the library's
own functions: everything is built from + - * / and integer operations on the bits, with
error bounds that `scripts/derive_coefficients.py` proves.

A monotone function needs no more for an interval: `exp_bounds(lo)[0],
exp_bounds(hi)[1]` for an increasing one. `f_interval(lo, hi)` covers those that are not
monotone.

>>> import math
>>> import jax.numpy as jnp
>>> lo, hi = exp_bounds(jnp.float32(1.0))
>>> bool(lo < math.e < hi)
True
"""

from torchlean_jax.domains.interval._functions._erf import erf_bounds, erfc_bounds
from torchlean_jax.domains.interval._functions._erf_inv import erf_inv_bounds
from torchlean_jax.domains.interval._functions._exp import (
    exp2_bounds,
    exp_bounds,
    expm1_bounds,
)
from torchlean_jax.domains.interval._functions._gamma import (
    digamma_bounds,
    digamma_interval,
    lgamma_bounds,
    lgamma_interval,
)
from torchlean_jax.domains.interval._functions._hyperbolic import (
    acosh_bounds,
    asinh_bounds,
    atanh_bounds,
    cosh_bounds,
    cosh_interval,
    sinh_bounds,
)
from torchlean_jax.domains.interval._functions._inverse_trig import (
    acos_bounds,
    asin_bounds,
    atan2_bounds,
    atan2_interval,
    atan_bounds,
)
from torchlean_jax.domains.interval._functions._log import (
    log1p_bounds,
    log2_bounds,
    log_bounds,
)
from torchlean_jax.domains.interval._functions._power import pow_bounds, pow_interval
from torchlean_jax.domains.interval._functions._root import (
    cbrt_bounds,
    divide_bounds,
    reciprocal_bounds,
    rsqrt_bounds,
    sqrt_bounds,
)
from torchlean_jax.domains.interval._functions._sigmoid import (
    logistic_bounds,
    softplus_bounds,
    tanh_bounds,
)
from torchlean_jax.domains.interval._functions._trig import (
    cos_bounds,
    cos_interval,
    sin_bounds,
    sin_interval,
    tan_bounds,
    tan_interval,
)

__all__ = [
    "acos_bounds",
    "acosh_bounds",
    "asin_bounds",
    "asinh_bounds",
    "atan2_bounds",
    "atan2_interval",
    "atan_bounds",
    "atanh_bounds",
    "cbrt_bounds",
    "cos_bounds",
    "cos_interval",
    "cosh_bounds",
    "cosh_interval",
    "digamma_bounds",
    "digamma_interval",
    "divide_bounds",
    "erf_bounds",
    "erf_inv_bounds",
    "erfc_bounds",
    "exp2_bounds",
    "exp_bounds",
    "expm1_bounds",
    "lgamma_bounds",
    "lgamma_interval",
    "log1p_bounds",
    "log2_bounds",
    "log_bounds",
    "logistic_bounds",
    "pow_bounds",
    "pow_interval",
    "reciprocal_bounds",
    "rsqrt_bounds",
    "sin_bounds",
    "sin_interval",
    "sinh_bounds",
    "softplus_bounds",
    "sqrt_bounds",
    "tan_bounds",
    "tan_interval",
    "tanh_bounds",
]
