"""Clauses that no kernel needs yet, on programs written for them, right and wrong."""

import jax
import jax.numpy as jnp
import pytest
from jax import lax
from jax.experimental import pallas as pl
from jax.experimental.pallas import triton as plt

from torchlean_jax.contracts import _determinism, _precision, _rounding
from torchlean_jax.pallas_kernels._terms import Program


def product(precision):
    """A product of 16 x 16 matrices in one program."""

    def body(x_ref, y_ref, o_ref):
        o_ref[...] = jnp.dot(x_ref[...], y_ref[...], precision=precision)

    def kernel(x, y):
        return pl.pallas_call(
            body,
            out_shape=jax.ShapeDtypeStruct(x.shape, x.dtype),
            compiler_params=plt.CompilerParams(num_warps=1),
        )(x, y)

    return program(kernel)


UNUSED = (lambda *_: (), 1.0, "")  # arguments, slack and its reason


def program(kernel):
    return Program("planted", kernel, kernel, *UNUSED)


@pytest.mark.parametrize(
    ("precision", "holds"), [(lax.Precision.HIGHEST, True), (None, False)]
)
def test_a_product_states_its_precision(precision, holds):
    """A float32 product that states none is lowered to TF32."""
    args = jnp.ones((16, 16)), jnp.ones((16, 16))
    found, detail = _precision.is_stated(product(precision), args)
    assert found is holds, detail
    assert holds or "TF32" in detail


@pytest.mark.parametrize(
    ("precision", "holds"),
    [
        (lax.Precision.HIGHEST, True),
        (None, False),
        ((lax.Precision.HIGHEST, lax.Precision.DEFAULT), False),
    ],
)
@pytest.mark.parametrize("kind", ["product", "convolution"])
def test_what_xla_multiplies_beside_a_kernel_states_it_too(kind, precision, holds):
    kernel = product(lax.Precision.HIGHEST).kernel

    def beside(x, y):
        if kind == "product":
            return kernel(x, y) + jnp.dot(x, y, precision=precision)
        image, taps = x[None, None], y[None, None, :3, :3]
        return kernel(x, y) + lax.conv(image, taps, (1, 1), "SAME", precision)[0, 0]

    args = jnp.ones((16, 16)), jnp.ones((16, 16))
    found, detail = _precision.is_stated(program(beside), args)
    assert found is holds, detail
    assert holds or "beside the kernel" in detail


def test_a_formula_that_is_no_kernel_has_no_precision_to_state():
    assert not _precision.is_stated(program(jnp.add), (jnp.ones(3), jnp.ones(3)))[0]


@pytest.mark.parametrize(
    ("kernel", "formula", "holds"),
    [
        (lambda x: x, lambda x: x + x[:0].sum(), True),
        (lambda x: jnp.zeros(3), lambda x: 0 * x, True),
        (lambda x: x, lambda x: 2 * x, False),
        (lambda x: jnp.zeros(3), lambda x: x, False),
        (lambda x: x[:2], lambda x: x, False),
    ],
)
def test_without_a_kernel_only_what_is_there_is_returned(kernel, formula, holds):
    planted = Program("planted", kernel, formula, *UNUSED)
    found, detail = _precision.is_stated(planted, (jnp.ones(3),))
    assert found is holds, detail
    assert not holds or "no kernel is called" in detail


@pytest.mark.parametrize(
    ("kernel", "holds"),
    [
        (lambda x: jnp.tanh(x) * 3, True),
        (lambda x: x * (1 + x.shape[0] * 2.0**-20), False),
        (lambda x: x - x.mean(axis=0), False),
    ],
)
def test_bits_of_a_row_in_batches(kernel, holds):
    x = jax.random.normal(jax.random.key(0), (8, 5))
    found, detail = _determinism.rows_keep_their_bits(kernel, (x,), 0)
    assert found is holds, detail


@pytest.mark.parametrize(("factor", "holds"), [(1.0, True), (1.0 + 2.0**-18, False)])
def test_runs_on_a_device_are_measured(factor, holds, monkeypatch):
    """What a device returns counts beside what the kernel's arithmetic is."""
    monkeypatch.setattr(_rounding, "unrolled", lambda kernel: jnp.square)
    planted = Program("planted", lambda x: x * x * factor, jnp.square, *UNUSED)
    args = (jnp.linspace(1.0, 2.0, 8),)
    assert _rounding.within_tolerance(planted, args)[0]
    found, detail = _rounding.within_tolerance(planted, args, jax.devices()[0])
    assert found is holds, detail


def in_two_passes(x):
    deviations = x - x.mean(axis=1, keepdims=True)
    return (deviations**2).mean(axis=1)


def in_one_pass(x):
    return (x**2).mean(axis=1) - x.mean(axis=1) ** 2


@pytest.mark.parametrize(("stress", "holds"), [("ordinary", True), ("offset", False)])
def test_a_variance_in_one_pass_is_caught_far_from_zero(stress, holds, monkeypatch):
    """Around 0 it is about as good as the one in two passes."""
    only = {stress: _rounding.STRESSES[stress]}
    monkeypatch.setattr(_rounding, "STRESSES", only)
    planted = Program("planted", in_one_pass, in_two_passes, lambda *_: (), 4.0, "")
    x = jax.random.normal(jax.random.key(0), (5, 12))
    found, detail = _rounding.within_tolerance(planted, (x,))
    assert found is holds, detail
