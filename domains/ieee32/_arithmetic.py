"""Rules for the operations that IEEE 754 defines, and for powers made of products."""

import jax.numpy as jnp
import numpy as np
from jax import lax

from torchlean_jax.domains.ieee32._domain import IEEE32, merged
from torchlean_jax.domains.ieee32._format import Rounding, format_of
from torchlean_jax.domains.ieee32._kernels import (
    _convert,
    _dispatch,
    _integral,
)
from torchlean_jax.domains.ieee32._kernels._nan import mark
from torchlean_jax.domains.ieee32._rules import operation_rule, rule
from torchlean_jax.domains.ieee32._value import FloatBits


def words(domain: IEEE32, x: FloatBits):
    """The bits as uint32, subnormal numbers as zeros where the domain flushes."""
    bits = x.bits.astype(jnp.uint32)
    return _dispatch.flush_input(x.format, bits) if domain.flush else bits


def like(x: FloatBits, bits) -> FloatBits:
    """Bits in uint32 as a value of the format, with the flags, of `x`."""
    return FloatBits(bits.astype(x.format.storage), x.format, x.flags)


@rule("add", "add_any")
def add(domain, x, y):
    return domain.add(x, y)


@rule("sub")
def sub(domain, x, y):
    return domain.sub(x, y)


@rule("mul")
def mul(domain, x, y, *, out_dtype=None):
    """`out_dtype` of newer JAX versions asks for another format of the result."""
    if out_dtype is not None and jnp.dtype(out_dtype) != x.dtype:
        x, y = (convert(domain, v, new_dtype=out_dtype) for v in (x, y))
    return domain.mul(x, y)


@rule("div")
def div(domain, x, y):
    return domain.div(x, y)


@rule("sqrt")
def sqrt(domain, x, *, accuracy=None):
    return domain.sqrt(x)


@rule("rem")
def rem(domain, x, y):
    return domain.rem(x, y)


@rule("neg")
def neg(domain, x):
    """The sign bit flips, of NaNs too (5.5.1)."""
    return FloatBits(
        x.bits ^ np.asarray(x.format.sign, x.bits.dtype), x.format, x.flags
    )


@rule("abs")
def absolute(domain, x):
    mask = np.asarray(x.format.magnitude, x.bits.dtype)
    return FloatBits(x.bits & mask, x.format, x.flags)


@rule("square")
def square(domain, x):
    return domain.mul(x, x)


@rule("integer_pow")
def integer_pow(domain, x, *, y):
    """By repeated squaring from the lowest bit of the exponent up, as JAX lowers it;
    a negative power is the reciprocal of the positive one."""
    if y == 0:
        return like(x, jnp.full(x.shape, x.format.one))
    power, square, left = None, x, abs(y)
    while left:
        if left & 1:
            power = square if power is None else domain.mul(power, square)
        left >>= 1
        if left:
            square = domain.mul(square, square)
    if y > 0:
        return power
    one = like(x, jnp.full(x.shape, x.format.one))
    return domain.div(one, power)


def _integral_rule(name, rounding):
    @rule(name)
    def to_integral(domain, x):
        bits = words(domain, x)
        bits, _ = _integral.to_integral(x.format, rounding, domain.nan, bits)
        return like(x, bits)


_integral_rule("floor", Rounding.DOWN)
_integral_rule("ceil", Rounding.UP)


@rule("round")
def _round(domain, x, *, rounding_method):
    away = rounding_method == lax.RoundingMethod.AWAY_FROM_ZERO
    rounding = Rounding.NEAREST_AWAY if away else Rounding.NEAREST_EVEN
    bits = words(domain, x)
    bits, _ = _integral.to_integral(x.format, rounding, domain.nan, bits)
    return like(x, bits)


@rule("sign")
def _sign(domain, x):
    """-1, 1, or the zero that was given."""
    fmt, bits = x.format, words(domain, x)
    magnitude = bits & fmt.magnitude
    # a comparison of a magnitude with 0 may be compiled to one of floats, which flushes
    some = jnp.where(lax.clz(magnitude) < 32, fmt.one, np.uint32(0))
    bits = mark(
        fmt, domain.nan, (bits,), jnp.zeros(x.shape, bool), some | bits & fmt.sign
    )
    return like(x, bits)


@rule("is_finite")
def _is_finite(domain, x):
    bits = x.bits.astype(jnp.uint32)
    return (bits & x.format.magnitude) < x.format.infinity


@rule("reduce_precision")
def _reduce_precision(domain, x, *, exponent_bits, mantissa_bits):
    bits = words(domain, x)
    return like(
        x, _convert.reduce_precision(x.format, exponent_bits, mantissa_bits, bits)
    )


@operation_rule("convert_element_type")
def _convert_element_type(domain, operation, x):
    target = jnp.dtype(operation.params["new_dtype"])
    if not isinstance(x, FloatBits) and jnp.result_type(x) == jnp.float64:
        return _from_float64(domain, jnp.asarray(x), target)
    return convert(domain, domain.lift(x), new_dtype=target)


def convert(domain, x, *, new_dtype):
    """Between floats, rounded; to integers, truncated and saturated, 0 for a NaN; to
    booleans, whether it is not zero."""
    target = jnp.dtype(new_dtype)
    rounding = Rounding(domain.rounding)
    if not isinstance(x, FloatBits):
        return _from_integers(domain, x, target, rounding)
    bits = words(domain, x)
    if target == jnp.bool_:
        return lax.clz(bits & x.format.magnitude) < 32
    if jnp.issubdtype(target, jnp.integer):
        return _convert.to_integer(x.format, Rounding.TOWARD_ZERO, target, bits)[0]
    return _to_format(domain, x, bits, target, rounding)


def _from_float64(domain, x, target):
    """Where x64 is on, the numbers that a program spells out may start as float64."""
    fmt = format_of(target)
    bits, raised = _convert.from_float64_bits(
        fmt,
        Rounding(domain.rounding),
        domain.nan,
        lax.bitcast_convert_type(x, jnp.uint64),
    )
    if domain.flush:
        bits, raised = _dispatch.flush_tiny(fmt, bits, raised)
    flags = raised if domain.flags else None
    return FloatBits(bits.astype(fmt.storage), fmt, flags)


def _from_integers(domain, x, target, rounding):
    if not jnp.issubdtype(target, jnp.inexact):
        return lax.convert_element_type(x, target)
    fmt = format_of(target)
    bits, raised = _convert.from_integer(fmt, rounding, x)
    return FloatBits(bits.astype(fmt.storage), fmt, raised if domain.flags else None)


def _to_format(domain, x, bits, target, rounding):
    fmt = format_of(target)
    if fmt == x.format:
        return x
    bits, raised = _convert.to_format(x.format, fmt, rounding, domain.nan, bits)
    if domain.flush:
        bits, raised = _dispatch.flush_tiny(fmt, bits, raised)
    flags = merged(raised, x.flags) if domain.flags else None
    return FloatBits(bits.astype(fmt.storage), fmt, flags)
