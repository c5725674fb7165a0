"""Results and flags of Berkeley TestFloat, in every direction, with x64 on and off.

A sample of the lines; `benchmarks/softfloat_vectors.py` runs all of them.
"""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import torchlean_jax as tl
from tests.domains.ieee32 import vectors
from tests.domains.ieee32.patterns import floats, same_bits
from torchlean_jax.domains.ieee32._format import BINARY32, Rounding
from torchlean_jax.domains.ieee32._kernels import _convert

LINES = 2000  # of each file, in one shape, so that a kernel is compiled once
ARITHMETIC = vectors.files(vectors.FUNCTIONS)
CONVERSIONS = vectors.files(vectors.CONVERSIONS)
COMPARISONS = vectors.files(vectors.COMPARISONS)

pytestmark = pytest.mark.skipif(
    not vectors.FOLDER.is_dir(), reason=f"no TestFloat vectors in {vectors.FOLDER}"
)


def sample(path):
    operands, results, flags = vectors.read(path)
    chosen = np.linspace(0, len(results) - 1, LINES).astype(int)
    return [x[chosen] for x in operands], results[chosen], flags[chosen]


@pytest.mark.parametrize("x64", [False, True], ids=["x32", "x64"])
@pytest.mark.parametrize("path", ARITHMETIC, ids=lambda p: p.name.split(".")[0])
def test_arithmetic(path, x64):
    function, direction = ARITHMETIC[path]
    operands, results, flags = sample(path)
    with jax.enable_x64(x64):
        plain = tl.IEEE32(rounding=direction)
        values = [plain.from_bits(x.astype(np.uint32)) for x in operands]
        operation = vectors.FUNCTIONS[function]
        got = getattr(plain, operation)(*values)
        assert same_bits(got.to_float(), floats(results)).all()
        if not x64:
            flagging = tl.IEEE32(rounding=direction, flags=True)
            got = getattr(flagging, operation)(*values)
            assert same_bits(got.to_float(), floats(results)).all()
            assert (np.asarray(got.flags) == flags).all()


@pytest.mark.parametrize("path", CONVERSIONS, ids=lambda p: p.name.split(".")[0])
def test_conversions(path):
    function, direction = CONVERSIONS[path]
    operands, results, flags = sample(path)
    with jax.enable_x64("64" in function):
        got, raised = converted(function, Rounding(direction), operands[0])
    invalid = (flags & 16) != 0
    if function == "f32_to_i32":
        # the value of an invalid conversion is ours to choose
        assert (got[~invalid] == results[~invalid].astype(np.uint32)).all()
    elif function == "f32_to_f64":
        agree = got.view(np.uint64) == results
        assert (agree | (np.isnan(got) & np.isnan(results.view(np.float64)))).all()
        return
    else:
        assert same_bits(floats(got), floats(results)).all()
    assert (raised == flags).all()


def converted(function, rounding, words):
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


@pytest.mark.parametrize("path", COMPARISONS, ids=lambda p: p.name.split(".")[0])
def test_comparisons(path):
    function, _ = COMPARISONS[path]
    (x, y), results, _ = sample(path)
    name = vectors.COMPARISONS[function]
    compare = getattr(jax.lax, name)
    values = [tl.IEEE32.from_bits(v.astype(np.uint32)) for v in (x, y)]
    got = tl.interpret(compare, domain=tl.IEEE32)(*values)
    assert (np.asarray(got) == (results != 0)).all()
