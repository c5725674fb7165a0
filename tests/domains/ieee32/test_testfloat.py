"""Results and flags of Berkeley TestFloat, in every direction, with x64 on and off.

A sample of the lines; `benchmarks/softfloat_vectors.py` runs all of them.
"""

import jax
import numpy as np
import pytest

import torchlean_jax as tl
from tests.domains.ieee32 import vectors, vectors_checked
from tests.domains.ieee32.patterns import floats, same_bits

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
    assert vectors_checked.conversion(*CONVERSIONS[path], *sample(path)).all()


@pytest.mark.parametrize("path", COMPARISONS, ids=lambda p: p.name.split(".")[0])
def test_comparisons(path):
    function, _ = COMPARISONS[path]
    operands, results, _ = sample(path)
    assert vectors_checked.comparison(function, operands, results).all()


@pytest.mark.parametrize("flipped", [0, 31])
def test_a_wrong_bit_is_noticed(flipped):
    (path,) = [p for p in CONVERSIONS if p.name.startswith("i32_to_f32_near_even")]
    operands, results, flags = sample(path)
    results = results ^ np.uint64(1 << flipped)
    right = vectors_checked.conversion(*CONVERSIONS[path], operands, results, flags)
    assert not right.any()
    (path,) = [p for p in COMPARISONS if "_lt_" in p.name]
    operands, results, _ = sample(path)
    assert not vectors_checked.comparison("f32_lt", operands, results == 0).any()
