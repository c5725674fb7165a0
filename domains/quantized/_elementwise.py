"""Quantised rules for max, min and clamp, of integers on one grid."""

import jax.numpy as jnp
import numpy as np
from jax import lax

from torchlean_jax.domains._errors import MissingRuleError
from torchlean_jax.domains.quantized._rescale import constant
from torchlean_jax.domains.quantized._value import (
    Quantized,
    aligned,
    rules,
    with_constant,
)


@rules.define_op("max")
def _max(operation, x, y):
    return _extreme(lax.max, x, y)


@rules.define_op("min")
def _min(operation, x, y):
    return _extreme(lax.min, x, y)


@rules.define_op("clamp")
def _clamp(operation, least, x, most):
    if not Quantized.is_value(x) or any(map(Quantized.is_value, (least, most))):
        raise MissingRuleError("a quantised clamp has known limits")
    return _extreme(lax.min, _extreme(lax.max, x, least), most)


def _extreme(function, x, y):
    choose = max if function is lax.max else min
    if Quantized.is_value(x) and Quantized.is_value(y):
        x, y = aligned(x, y)
        least, most = choose(x.least, y.least), choose(x.most, y.most)
        return x.wide(function(x.integers, y.integers), None, least, most)
    x, known = (x, y) if Quantized.is_value(x) else (y, x)
    if not np.any(known):  # ReLU: 0 is the zero point of any grid
        zero = jnp.full(x.shape, x.zero_point, x.integers.dtype)
        least, most = choose(x.least, 0), choose(x.most, 0)
        return x.replace(integers=function(x.integers, zero), least=least, most=most)
    end = np.max(x.scale) * (min(x.least, 0) if choose is max else max(x.most, 0))
    known = (np.maximum if choose is max else np.minimum)(known, end)
    if (known == end).all():  # never the result; softmax begins with max(-inf, x)
        return x
    x, steps = with_constant(x, known)
    least, most = (choose(a, int(b)) for a, b in _ends(x, steps))
    steps = jnp.broadcast_to(constant(steps), x.shape)
    return x.wide(function(x.integers, steps), None, least, most)


def _ends(x, steps):
    return (x.least, steps.min()), (x.most, steps.max())
