"""A kernel call stands for its formula: when it runs, and when it is walked."""

import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.experimental import pallas as pl
from jax.experimental.pallas import triton as plt

import torchlean_jax as tl
from torchlean_jax.contracts._cuda import lowered
from torchlean_jax.interpreters._kernel_call import unrolled
from torchlean_jax.interpreters._reference import kernel_call, kernels_in
from torchlean_jax.pallas_kernels import attention, selective_scan

X = jnp.array([1.0, -2.0, 3.0, 0.5])


def formula(x, y):
    return jnp.maximum(x, 0.0) * y, x.sum()


def kernel(x, y):
    """Not the formula: 7 is added, so that one sees which of the two ran."""

    def body(x_ref, y_ref, o_ref, s_ref):
        o_ref[...] = jnp.maximum(x_ref[...], 0.0) * y_ref[...] + 7.0
        s_ref[0] = x_ref[...].sum()

    out, total = pl.pallas_call(
        body,
        out_shape=(
            jax.ShapeDtypeStruct(x.shape, x.dtype),
            jax.ShapeDtypeStruct((1,), x.dtype),
        ),
        compiler_params=plt.CompilerParams(num_warps=1),
        name="gate",
    )(x, y)
    return out, total[0]


def gate(x, y, implementation="auto"):
    return kernel_call("gate", formula, kernel, x, y, implementation=implementation)


@pytest.mark.parametrize("transform", [lambda f: f, jax.jit], ids=["eager", "jit"])
def test_on_a_cpu_the_formula_runs(transform):
    out, total = transform(gate)(X, X)
    np.testing.assert_array_equal(out, formula(X, X)[0])
    assert total == 2.5


def test_for_cuda_the_kernel_is_lowered():
    (found,) = lowered(gate, X, X)
    assert found.name == "gate"
    assert "tt.store" in found.ir
    assert found.num_warps == 1
    assert lowered(lambda x, y: gate(x, y, "reference"), X, X) == []


@pytest.mark.parametrize("axes", [(0, 0), (0, None), (None, 1)])
def test_vmap(axes):
    many = [X, X]
    for k, axis in enumerate(axes):
        if axis is not None:
            many[k] = jnp.stack([X, 2 * X, -X], axis=axis)
    out, total = jax.vmap(gate, axes)(*many)
    expected, sums = jax.vmap(formula, axes)(*many)
    np.testing.assert_array_equal(out, expected)
    np.testing.assert_array_equal(total, sums)
    out, _ = unrolled(jax.vmap(gate, axes))(*many)
    np.testing.assert_array_equal(out, expected + 7.0)


def test_unrolling_runs_the_kernel():
    np.testing.assert_array_equal(unrolled(gate)(X, X)[0], formula(X, X)[0] + 7.0)


def test_domains_walk_the_formula():
    box = tl.box(X, radius=0.1)
    for method in ("ibp", "crown"):
        got = tl.bounds(lambda x: gate(x, X), method=method)(box)
        wanted = tl.bounds(lambda x: formula(x, X), method=method)(box)
        for a, b in zip(jax.tree.leaves(got), jax.tree.leaves(wanted), strict=True):
            np.testing.assert_array_equal(a, b)
    assert tl.equivalent(gate, formula)(X, X).equal


def test_the_kernels_of_a_program_are_listed():
    def model(x):
        return jax.lax.fori_loop(0, 2, lambda _, x: gate(x, x)[0], jnp.tanh(x))

    assert kernels_in(jax.make_jaxpr(jax.jit(model))(X)) == ("gate",)
    assert kernels_in(jax.make_jaxpr(formula)(X, X)) == ()


def test_a_claim_names_the_contracts_that_it_rests_on():
    box = tl.box(X, radius=0.1)
    verdict = tl.verify(lambda x: gate(x, X)[0], box, tl.spec.linear([1.0, 0, 0, 0]))
    assert any("gate" in line for line in verdict.assumptions)
    plain = tl.verify(lambda x: formula(x, X)[0], box, tl.spec.linear([1.0, 0, 0, 0]))
    assert verdict.status == plain.status == "proved"
    assert not any("gate" in line for line in plain.assumptions)


def test_without_a_gpu_the_kernel_that_is_asked_for_is_an_error():
    with pytest.raises(tl.InputError, match=r"gate.*'auto' or 'reference'"):
        gate(X, X, "pallas")
    with pytest.raises(tl.InputError, match="auto, reference, pallas"):
        gate(X, X, "triton")


def shaped(*sizes, dtype=jnp.float32):
    return jax.ShapeDtypeStruct(sizes, dtype)


def offsets(kernel):
    """The types of what is added to addresses."""
    return set(re.findall(r"tt\.addptr .*?, (?:tensor<[\dx]*)?(i32|i64)", kernel.ir))


@pytest.mark.parametrize(("steps", "kinds"), [(2**13, {"i32"}), (2**15, {"i64"})])
def test_large_arrays_are_addressed_with_64_bits(steps, kinds):
    """Of 2**31 float32 numbers each; nothing is allocated."""
    x, states = shaped(1, steps, 2**16), shaped(1, steps, 2)
    operands = x, x, shaped(2**16, 2), states, states, shaped(2**16)
    (found,) = lowered(selective_scan, *operands)
    assert kinds <= offsets(found)


def test_a_mask_beyond_32_bits_is_refused():
    """At 2**31 bytes the last address still has 31 bits; nothing is allocated."""

    def masked(queries):
        q = shaped(1, queries, 1, 16)
        mask = shaped(1, 1, queries, 2**16, dtype=jnp.bool_)
        k = shaped(1, 2**16, 1, 16)
        call = lambda q, k, v, mask: attention(q, k, v, mask=mask)
        return lowered(call, q, k, k, mask)

    assert len(masked(2**15)) == 1
    with pytest.raises(tl.InputError, match="more than 2\\*\\*31 elements"):
        masked(2**15 + 1)
