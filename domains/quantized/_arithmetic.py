"""Quantised rules for sums, products and negation.

A known factor changes the scale (and signs), not the integers: nothing is rounded. A
known term is rounded to the grid it is added on, which is that of an accumulator or 256
times finer than that of an activation.
"""

import jax.numpy as jnp
import numpy as np

from torchlean_jax.domains._errors import InputError, MissingRuleError
from torchlean_jax.domains.quantized._quotient import quotient
from torchlean_jax.domains.quantized._rescale import compact, constant
from torchlean_jax.domains.quantized._value import (
    Quantized,
    aligned,
    narrow,
    rules,
    with_constant,
)


@rules.define_op("add", "add_any")
def add(operation, x, y):
    if Quantized.is_value(x) and Quantized.is_value(y):
        x, y = aligned(x, y)
        least, most = x.least + y.least, x.most + y.most
        return x.wide(x.integers + y.integers, None, least, most)
    x, known = (x, y) if Quantized.is_value(x) else (y, x)
    x, steps = with_constant(x, known)
    least, most = x.least + int(steps.min()), x.most + int(steps.max())
    if not steps.any():
        return x
    return x.wide(x.integers + constant(steps), None, least, most)


@rules.define_op("sub")
def _sub(operation, x, y):
    y = negated(y) if Quantized.is_value(y) else -np.asarray(y, np.float64)
    return add(operation, x, y)


@rules.define_op("neg")
def _neg(operation, x):
    return negated(x)


def negated(x: Quantized) -> Quantized:
    return x.wide(-x.centred(), None, -x.most, -x.least)


@rules.define_op("mul")
def mul(operation, x, y):
    if Quantized.is_value(x) and Quantized.is_value(y):
        x, y = narrow(x), narrow(y)
        ends = [a * b for a in (x.least, x.most) for b in (y.least, y.most)]
        product = x.centred() * y.centred()
        return x.wide(product, x.scale * y.scale, min(ends), max(ends))
    x, known = (x, y) if Quantized.is_value(x) else (y, x)
    return times(x, np.asarray(known, np.float64))


@rules.define_op("square")
def _square(operation, x):
    return mul(operation, x, x)


@rules.define_op("integer_pow")
def _integer_pow(operation, x):
    if operation.params["y"] != 2:
        raise MissingRuleError("a quantised power has the exponent 2")
    return mul(operation, x, x)


@rules.define_op("div")
def _div(operation, x, y):
    if Quantized.is_value(y):
        return quotient(x, y)
    divisor = np.asarray(y, np.float64)
    if not divisor.all():
        raise InputError("a division by a constant 0")
    return times(x, 1 / divisor)


def times(x: Quantized, factors) -> Quantized:
    """`x` times known numbers, of the shape of `x`."""
    factors = compact(factors)
    if not np.isfinite(factors).all():
        raise InputError("a constant factor is not finite")
    scale = compact(x.scale * np.where(factors == 0, 1.0, np.abs(factors)))
    signs = np.sign(factors).astype(np.int64)
    if (signs == 1).all():
        return x.replace(scale=scale)
    ends = [
        sign * end for sign in np.unique(signs).tolist() for end in (x.least, x.most)
    ]
    return x.wide(x.centred() * constant(signs), scale, min(ends), max(ends))


@rules.define_op("abs")
def _abs(operation, x):
    least = 0 if x.least <= 0 <= x.most else min(abs(x.least), abs(x.most))
    return x.wide(jnp.abs(x.centred()), None, least, x.reach)
