"""Sums, products, quotients, roots, remainders beside the processor's, through NumPy.

NumPy's float32 operations are those of the hardware, to nearest even, with subnormal
numbers: XLA's flushing does not reach them.
"""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import torchlean_jax as tl
from tests.domains.ieee32.patterns import adversarial, floats, same_bits

COUNT = 40_000
HARDWARE = {
    "add": np.add,
    "sub": np.subtract,
    "mul": np.multiply,
    "div": np.divide,
    "sqrt": np.sqrt,
    "rem": np.fmod,
}


@pytest.mark.parametrize("x64", [False, True], ids=["x32", "x64"])
@pytest.mark.parametrize("name", HARDWARE)
def test_against_the_processor(name, x64):
    assert (mismatches(name, x64, seed=11) == 0).all()


def mismatches(name, x64, seed):
    operation = HARDWARE[name]
    words = adversarial(np.random.default_rng(seed), COUNT, operation.nin)
    with np.errstate(all="ignore"):
        expected = operation(*floats(words))
    with jax.enable_x64(x64):
        got = getattr(tl.IEEE32, name)(*map(tl.IEEE32.from_bits, words))
        return np.flatnonzero(~same_bits(got.to_float(), expected))


@pytest.mark.parametrize("direction", ["toward-zero", "down", "up", "nearest-away"])
@pytest.mark.parametrize("name", ["add", "mul", "div", "sqrt", "fma"])
def test_the_fast_forms_are_the_integer_forms(name, direction):
    """In the directions that hardware cannot be asked for; all formats."""
    operands = {"sqrt": 1, "fma": 3}.get(name, 2)
    for dtype, widths in FORMATS.items():
        words = adversarial(np.random.default_rng(3), 20_000, operands, *widths)
        domain = tl.IEEE32(rounding=direction)
        storage = np.uint32 if dtype == jnp.float32 else np.uint16
        results = []
        for x64 in (False, True):
            with jax.enable_x64(x64):
                values = [domain.from_bits(w.astype(storage), dtype) for w in words]
                results.append(np.asarray(getattr(domain, name)(*values).bits))
        assert (results[0] == results[1]).all()


FORMATS = {jnp.float32: (8, 23), jnp.float16: (5, 10), jnp.bfloat16: (8, 7)}
