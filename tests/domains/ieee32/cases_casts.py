"""Conversions between formats, and to and from integers, booleans and bits."""

import jax.numpy as jnp
import ml_dtypes
import numpy as np
from jax import lax

from tests.domains.ieee32.cases import F, case, elementwise


def truncated(x, dtype):
    """XLA's cast: out of range the nearest integer there is, 0 for a NaN."""
    kind = np.iinfo(dtype)
    x = np.trunc(np.where(np.isnan(x), 0, x).astype(np.float64))
    return np.clip(x, kind.min, kind.max).astype(dtype)


TO_INTEGERS = [
    elementwise(
        f"to_{dtype}",
        lambda x, dtype=dtype: x.astype(dtype),
        lambda x, dtype=dtype: truncated(x, dtype),
        ["convert_element_type"],
    )
    for dtype in ("int32", "uint32", "int16", "uint8", "int8")
]
CASES = [
    *TO_INTEGERS,
    elementwise(
        "to_bool", lambda x: x.astype(bool), lambda x: x != 0, ["convert_element_type"]
    ),
    elementwise(
        "to_float16",
        lambda x: x.astype(jnp.float16).astype(jnp.float32),
        lambda x: x.astype(np.float16).astype(F),
        ["convert_element_type"],
    ),
    elementwise(
        "to_bfloat16",
        lambda x: x.astype(jnp.bfloat16).astype(jnp.float32),
        lambda x: x.astype(ml_dtypes.bfloat16).astype(F),
        ["convert_element_type"],
    ),
    elementwise(
        "float16_sum",
        lambda x: (x.astype(jnp.float16) + jnp.float16(1.5)).astype(jnp.float32),
        lambda x: (x.astype(np.float16) + np.float16(1.5)).astype(F),
        ["add"],
    ),
    elementwise(
        "to_bits",
        lambda x: lax.bitcast_convert_type(x, jnp.uint32),
        lambda x: x.view(np.uint32),
        ["bitcast_convert_type"],
    ),
    elementwise(
        "from_bits",
        lambda x: (
            lax.bitcast_convert_type(
                lax.bitcast_convert_type(x, jnp.int32), jnp.float32
            )
            * 2
        ),
        lambda x: x * 2,
        ["bitcast_convert_type"],
    ),
    case(
        "from_int32",
        lambda x, i: x + i.astype(jnp.float32),
        ((4,), np.array([2**24 + 1, -(2**31), 2**31 - 1, -33554435], np.int32)),
        lambda x, i: x + i.astype(F),
        rules=["convert_element_type"],
    ),
]
