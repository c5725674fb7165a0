"""Arithmetic, comparisons and what else is done to each element alone."""

import jax
import jax.numpy as jnp
import ml_dtypes
import numpy as np
from jax import lax

from tests.domains.ieee32.cases import F, case, elementwise, maximum, minimum


def power(x, n):
    """By squaring, from the lowest bit up."""
    result, square, left = None, x, abs(n)
    while left:
        if left & 1:
            result = square if result is None else result * square
        left >>= 1
        square = square * square
    return result if n > 0 else F(1) / result


def narrowed(x, exponent_bits, dtype):
    """Rounded to a format and back, with its subnormal numbers flushed."""
    there = x.astype(dtype).astype(F)
    lowest = 2.0 ** (2 - 2 ** (exponent_bits - 1))
    return np.where(np.abs(there) < lowest, np.copysign(F(0), x), there).astype(F)


COMPARED = [
    case(name, getattr(lax, name), ((400,), (400,)), oracle)
    for name, oracle in (
        ("eq", np.equal),
        ("ne", np.not_equal),
        ("lt", np.less),
        ("le", np.less_equal),
        ("gt", np.greater),
        ("ge", np.greater_equal),
    )
]
CASES = [
    *COMPARED,
    elementwise("add", lambda x, y: x + y, np.add, arguments=2),
    elementwise(
        "add_any",
        lambda x, y: jax.vjp(lambda a: (a, a), x)[1]((x, y))[0],
        np.add,
        arguments=2,
    ),
    elementwise("sub", lambda x, y: x - y, np.subtract, arguments=2),
    elementwise("mul", lambda x, y: x * y, np.multiply, arguments=2),
    elementwise("mul_literal", lambda x: x * 0.1, lambda x: x * F(0.1), ["mul"]),
    elementwise("div", lambda x, y: x / y, np.divide, arguments=2),
    elementwise("div_literal", lambda x: x / 3, lambda x: x / F(3), ["div"]),
    elementwise("rem", lax.rem, np.fmod, arguments=2),
    elementwise("neg", lambda x: -x, np.negative),
    elementwise("abs", jnp.abs, np.abs),
    elementwise("square", lax.square, lambda x: x * x),
    elementwise("cube", lambda x: x**3, lambda x: power(x, 3), ["integer_pow"]),
    elementwise(
        "power_-6",
        lambda x: lax.integer_pow(x, -6),
        lambda x: power(x, -6),
        ["integer_pow"],
    ),
    elementwise("sqrt", jnp.sqrt, np.sqrt),
    elementwise("max", jnp.maximum, maximum, arguments=2),
    elementwise("min", jnp.minimum, minimum, arguments=2),
    elementwise(
        "clamp",
        lambda a, x, b: lax.clamp(a, x, b),
        lambda a, x, b: minimum(maximum(x, a), b),
        arguments=3,
    ),
    elementwise("floor", jnp.floor, np.floor),
    elementwise("ceil", jnp.ceil, np.ceil),
    elementwise("round", jnp.round, np.rint),
    elementwise(
        "round_away",
        lambda x: lax.round(x, lax.RoundingMethod.AWAY_FROM_ZERO),
        lambda x: np.copysign(np.floor(np.abs(x).astype(float) + 0.5), x),
        ["round"],
    ),
    elementwise(
        "sign",
        jnp.sign,
        lambda x: np.where((x == 0) | np.isnan(x), x, np.copysign(F(1), x)),
    ),
    elementwise("is_finite", jnp.isfinite, np.isfinite),
    elementwise("nextafter", jnp.nextafter, np.nextafter, arguments=2),
    elementwise(
        "reduce_precision",
        lambda x: lax.reduce_precision(x, 5, 10),
        lambda x: narrowed(x, 5, np.float16),
    ),
    elementwise(
        "reduce_precision_8",
        lambda x: lax.reduce_precision(x, 8, 7),
        lambda x: x.astype(ml_dtypes.bfloat16).astype(F),
        ["reduce_precision"],
    ),
    elementwise(
        "select_n",
        lambda x, y: jnp.where(x > y, x, y),
        lambda x, y: np.where(x > y, x, y),
        arguments=2,
    ),
]
