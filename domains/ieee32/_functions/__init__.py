"""Elementary functions of binary32 numbers, on bit patterns, to nearest even.

`NAMES[name]` takes uint32 arrays and returns uint32 arrays, works with x64 on or off,
and under `jit`, `vmap` and `scan`; `UNARY` holds those of one argument. A NaN gives the
quiet NaN 0x7fc00000.

* `exp exp2 expm1 log log1p log2 tanh logistic erf sin cos tan sqrt rsqrt cbrt` are
  correctly rounded: the result is the binary32 number nearest to the exact real one,
  for every input.
* `sinh cosh asin acos atan asinh acosh atanh erfc` are made in the same way and proved
  within 1/2 + 2**-25 ulp. Their hard cases (below) are not searched for yet, so a few
  dozen of the 2**32 inputs may give the neighbour instead.
* `pow(x, y)` and `atan2(y, x)` are proved within 1 ulp: 1/2 + 2**-20 and 1/2 + 2**-25.

How: the kernels use + - * / and square roots of float64, and integers; nothing is
assumed of the library's own functions. `scripts/derive_elementary.py` derives their
coefficients and proves error bounds that hold with and without fused operations;
`scripts/scan_functions.py` tries all inputs and finds those whose exact result is
closer to a midpoint than that, which are settled in ball arithmetic and listed.

float64 has to be that of IEEE 754, as on CPUs and CUDA devices. Not here: other
rounding modes, and other formats.

>>> import jax.numpy as jnp
>>> hex(NAMES["exp"](jnp.uint32(0x3F800000)))
'0x402df854'
"""

from collections.abc import Callable

from torchlean_jax.domains.ieee32._functions._convert import Bits
from torchlean_jax.domains.ieee32._functions._erf import erf, erfc
from torchlean_jax.domains.ieee32._functions._exp import exp, exp2, expm1
from torchlean_jax.domains.ieee32._functions._inverse import (
    acos,
    acosh,
    asin,
    asinh,
    atan,
    atan2,
)
from torchlean_jax.domains.ieee32._functions._log import log, log1p, log2
from torchlean_jax.domains.ieee32._functions._power import pow
from torchlean_jax.domains.ieee32._functions._root import cbrt, rsqrt, sqrt
from torchlean_jax.domains.ieee32._functions._sigmoid import (
    atanh,
    cosh,
    logistic,
    sinh,
    tanh,
)
from torchlean_jax.domains.ieee32._functions._trig import cos, sin, tan

_FUNCTIONS = (
    acos, acosh, asin, asinh, atan, atanh, cbrt, cos, cosh, erf, erfc, exp, exp2, expm1,
    log, log1p, log2, logistic, rsqrt, sin, sinh, sqrt, tan, tanh,
)  # fmt: skip

UNARY = {function.name: function for function in _FUNCTIONS}
NAMES: dict[str, Callable[..., Bits]] = {**UNARY, "atan2": atan2, "pow": pow}

__all__ = ["NAMES", "UNARY"]
