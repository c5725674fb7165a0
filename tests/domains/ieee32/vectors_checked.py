"""Whether conversions and comparisons agree with lines of TestFloat.

Masks, one entry for each line: the tests ask for a sample of the lines, the benchmark
for all of them.
"""

import jax
import jax.numpy as jnp
import numpy as np

import torchlean_jax as tl
from tests.domains.ieee32 import vectors
from tests.domains.ieee32.patterns import floats, same_bits
from torchlean_jax.domains.ieee32._format import BINARY32, Rounding
from torchlean_jax.domains.ieee32._kernels import _convert


def conversion(function, direction, operands, results, flags):
    """Bits and flags; widening has no flags here."""
    with jax.enable_x64("64" in function):
        got, raised = _converted(function, Rounding(direction), operands[0])
    if function == "f32_to_f64":
        both_nan = np.isnan(got) & np.isnan(results.view(np.float64))
        return both_nan | (got.view(np.uint64) == results)
    if function == "f32_to_i32":
        # the value of an invalid conversion is ours to choose
        agree = ((flags & 16) != 0) | (got == results.astype(np.uint32))
    else:
        agree = same_bits(floats(got), floats(results))
    return agree & (raised == flags)


def _converted(function, rounding, words):
    narrow = jnp.asarray(words.astype(np.uint32))
    if function == "f32_to_i32":
        pair = _convert.to_integer(BINARY32, rounding, jnp.int32, narrow)
        return np.asarray(pair[0]).view(np.uint32), np.asarray(pair[1])
    if function == "i32_to_f32":
        pair = _convert.from_integer(BINARY32, rounding, narrow.astype(jnp.int32))
    elif function == "ui32_to_f32":
        pair = _convert.from_integer(BINARY32, rounding, narrow)
    elif function == "f64_to_f32":
        pair = _convert.from_float64_bits(
            BINARY32, rounding, "canonical", jnp.asarray(words)
        )
    else:
        return np.asarray(_convert.to_float64(BINARY32, narrow)), None
    return np.asarray(pair[0]), np.asarray(pair[1])


def comparison(function, operands, results):
    compare = getattr(jax.lax, vectors.COMPARISONS[function])
    values = [tl.IEEE32.from_bits(v.astype(np.uint32)) for v in operands]
    got = tl.interpret(compare, domain=tl.IEEE32)(*values)
    return np.asarray(got) == (results != 0)
