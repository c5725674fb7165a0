"""Rules for the elementary functions, from `_functions`.

In binary32 those whose inputs were all tried (benchmarks/results/ieee32_functions.json)
are correctly rounded to nearest even, the others of one argument within 1/2 + 2**-25
ulp; `pow` and `atan2` are within 1 ulp. In a format of 16 bits the binary32 result is
rounded again, which is what XLA does, and which may differ from the correctly rounded
result where that lies next to a boundary.
"""

import functools
from typing import Any

import jax.numpy as jnp

from torchlean_jax.domains._errors import InputError
from torchlean_jax.domains.ieee32._arithmetic import convert, words
from torchlean_jax.domains.ieee32._format import BINARY32
from torchlean_jax.domains.ieee32._functions import NAMES
from torchlean_jax.domains.ieee32._kernels._nan import mark
from torchlean_jax.domains.ieee32._rules import rule
from torchlean_jax.domains.ieee32._value import FloatBits


def _elementary(name, domain, *operands, accuracy=None):
    _require_plain(name, domain, operands)
    fmt = operands[0].format
    wide: list[Any] = [convert(domain, x, new_dtype=jnp.float32) for x in operands]
    bits = [words(domain, x) for x in wide]
    result = NAMES[name](*bits)
    never = jnp.zeros(result.shape, bool)
    result = mark(BINARY32, domain.nan, bits, never, result)
    result = FloatBits(result, BINARY32)
    if domain.flush:
        tiny = (result.bits & BINARY32.magnitude) < BINARY32.smallest_normal
        zero = result.bits & BINARY32.sign
        result = FloatBits(jnp.where(tiny, zero, result.bits), BINARY32)
    return convert(domain, result, new_dtype=fmt.dtype)


def _require_plain(name, domain, operands):
    if domain.rounding != "nearest-even":
        raise InputError(
            f"{name} is rounded to nearest even only; the domain asks for "
            f"{domain.rounding!r}"
        )
    if domain.flags:
        raise InputError(
            f"the exceptions of {name} are not known; take the domain without flags, "
            "or run the parts around it"
        )
    if not all(isinstance(x, FloatBits) for x in operands):
        raise InputError(f"{name} with an integer exponent: cast it to float32")


# The square root is the one function here that IEEE 754 requires; it has every
# direction and flag, in `_arithmetic.py`.
for _name in NAMES:
    if _name != "sqrt":
        rule(_name)(functools.partial(_elementary, _name))
