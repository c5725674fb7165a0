"""What cannot mean anything is refused, with a message that says what to do."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import torchlean_jax as tl
from torchlean_jax.domains.ieee32 import _elementwise  # noqa: F401

X = jnp.float32(1.5)


@pytest.mark.parametrize(
    ("options", "word"),
    [
        ({"order": "backwards"}, "pairwise"),
        ({"rounding": "nearest"}, "nearest-even"),
        ({"nan": "payload"}, "propagated"),
    ],
)
def test_unknown_options(options, word):
    with pytest.raises(tl.InputError, match=word):
        tl.IEEE32(**options)


@pytest.mark.parametrize("dtype", [jnp.float64, jnp.complex64, jnp.complex128])
def test_other_formats(dtype):
    with jax.enable_x64(True), pytest.raises(tl.InputError, match="float32, float16"):
        tl.IEEE32.lift(jnp.ones(2, dtype))


def test_a_model_that_computes_in_float64():
    with jax.enable_x64(True), pytest.raises(tl.InputError, match="float64"):
        tl.interpret(lambda x: x.astype(jnp.float64) * 2, domain=tl.IEEE32)(
            tl.IEEE32.lift(X)
        )


def test_bits_of_another_width():
    with pytest.raises(tl.InputError, match="uint16"):
        tl.IEEE32.from_bits(np.zeros(3, np.uint32), jnp.float16)


def test_bits_of_no_format():
    with pytest.raises(tl.InputError, match="got 'float9'"):
        tl.IEEE32.from_bits(np.zeros(3, np.uint32), "float9")


def test_operands_of_two_formats():
    with pytest.raises(tl.InputError, match="float16, float32"):
        tl.IEEE32.add(X, jnp.float16(1))


def test_functions_in_other_directions():
    domain = tl.IEEE32(rounding="up")
    with pytest.raises(tl.InputError, match="nearest even only"):
        tl.interpret(jnp.exp, domain=domain)(domain.lift(X))


def test_flags_of_functions():
    domain = tl.IEEE32(flags=True)
    with pytest.raises(tl.InputError, match="exceptions of tanh"):
        tl.interpret(jnp.tanh, domain=domain)(domain.lift(X))


def test_refused_primitives_are_all_named():
    with pytest.raises(tl.MissingRuleError, match=r"(?s)cholesky.*library"):
        tl.interpret(jnp.linalg.cholesky, domain=tl.IEEE32)(tl.IEEE32.lift(jnp.eye(2)))


def test_products_that_split_their_operands():
    f = lambda x: jax.lax.dot(x, x, precision=jax.lax.DotAlgorithmPreset.BF16_BF16_F32)
    with pytest.raises(tl.InputError, match="BF16_BF16_F32"):
        tl.interpret(f, domain=tl.IEEE32)(tl.IEEE32.lift(jnp.ones(3)))


def test_a_conversion_that_needs_x64():
    from torchlean_jax.domains.ieee32._format import BINARY32
    from torchlean_jax.domains.ieee32._kernels import _convert

    with pytest.raises(tl.InputError, match="jax_enable_x64"):
        _convert.to_float64(BINARY32, jnp.zeros(2, jnp.uint32))
