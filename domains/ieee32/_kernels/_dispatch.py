"""Which form computes: float64 where x64 is on, integers where it is off or flags are
asked for.

The integer forms are the definition; the fast ones give the same bits sooner.
"""

import functools
from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from torchlean_jax.domains.ieee32._format import BINARY32, Flags, Format, Rounding
from torchlean_jax.domains.ieee32._kernels import (
    _fused,
    _integral,
    _native,
    _product,
    _sum,
    _wide,
)
from torchlean_jax.domains.ieee32._kernels._nan import CANONICAL, mark
from torchlean_jax.domains.ieee32._kernels._pieces import is_nan


@dataclass(frozen=True)
class Arithmetic:
    """A format with everything that decides the bits of a result.

    flush: subnormal operands are read as zero and tiny results replaced by zero, as XLA
    does on a CPU; not IEEE 754.
    """

    format: Format
    rounding: Rounding = Rounding.NEAREST_EVEN
    flush: bool = False
    nan: str = CANONICAL


_INTEGER = {
    "add": _sum.add,
    "sub": _sum.sub,
    "mul": _product.mul,
    "div": _product.div,
    "sqrt": _product.sqrt,
    "fma": _fused.fma,
    "rem": _integral.truncated_remainder,
    "remainder": _integral.ieee_remainder,
    "to_integral": _integral.to_integral,
}
_WIDE = {
    "add": _wide.add,
    "mul": _wide.mul,
    "div": _wide.div,
    "sqrt": _wide.sqrt,
    "fma": _wide.fma,
}
OPERATIONS = tuple(_INTEGER)


@functools.partial(jax.jit, static_argnums=(0, 1), inline=True)
def compute(arithmetic: Arithmetic, name: str, *operands):
    """The bits of the result of an operation on bits, in the storage of the format."""
    if x64_is_on() or _native_serves(arithmetic):
        if name == "sub":
            x, y = operands
            name, operands = "add", (x, _negated(arithmetic, y))
        if name == "add" and _native_serves(arithmetic):
            return _settle_nan(arithmetic, operands, _native.add(*operands))
        if name in _WIDE and x64_is_on():
            return _wide_form(arithmetic, name, operands)
    return _integer_form(arithmetic, name, operands)[0]


@functools.partial(jax.jit, static_argnums=(0, 1), inline=True)
def compute_flagged(arithmetic: Arithmetic, name: str, *operands):
    """The same with the flags that the operation raises: (bits, uint8)."""
    return _integer_form(arithmetic, name, operands)


def x64_is_on() -> bool:
    return bool(jax.config.read("jax_enable_x64"))


def _native_serves(arithmetic):
    return (
        arithmetic.format == BINARY32
        and arithmetic.rounding is Rounding.NEAREST_EVEN
        and not arithmetic.flush
    )


def _wide_form(arithmetic, name, operands):
    fmt = arithmetic.format
    operands = _words(arithmetic, operands)
    bits = _WIDE[name](fmt, arithmetic.rounding, arithmetic.flush, *operands)
    return _settle_nan(arithmetic, operands, bits).astype(fmt.storage)


def _integer_form(arithmetic, name, operands):
    fmt = arithmetic.format
    operands = jnp.broadcast_arrays(*_words(arithmetic, operands))
    bits, flags = _INTEGER[name](fmt, arithmetic.rounding, arithmetic.nan, *operands)
    if arithmetic.flush:
        bits, flags = flush_tiny(fmt, bits, flags)
    return bits.astype(fmt.storage), flags


def _words(arithmetic, operands):
    words = [jnp.asarray(x).astype(jnp.uint32) for x in operands]
    if not arithmetic.flush:
        return words
    return [flush_input(arithmetic.format, x) for x in words]


def flush_input(fmt: Format, x):
    """Subnormal numbers read as zeros of their sign."""
    return jnp.where((x & fmt.infinity) == 0, x & fmt.sign, x)


def flush_tiny(fmt: Format, bits, flags):
    """Tiny results written as zeros; tininess is detected after rounding."""
    size = bits & fmt.magnitude
    rounded_up = (size == fmt.smallest_normal) & ((flags & Flags.UNDERFLOW) != 0)
    tiny = (size < fmt.smallest_normal) | rounded_up
    lost = tiny & (lax.clz(size) < 32)
    lossy = np.uint8(Flags.UNDERFLOW | Flags.INEXACT)
    return jnp.where(tiny, bits & fmt.sign, bits), jnp.where(lost, flags | lossy, flags)


def _negated(arithmetic, x):
    fmt = arithmetic.format
    if arithmetic.nan == CANONICAL:
        return x ^ fmt.sign.astype(x.dtype)
    return jnp.where(is_nan(fmt, x), x, x ^ fmt.sign.astype(x.dtype))


def _settle_nan(arithmetic, operands, bits):
    """The NaN of the policy where the fast forms found some NaN."""
    fmt = arithmetic.format
    bits = jnp.where(is_nan(fmt, bits), fmt.nan, bits)
    if arithmetic.nan == CANONICAL:
        return bits
    return mark(fmt, arithmetic.nan, operands, jnp.zeros((), bool), bits)
