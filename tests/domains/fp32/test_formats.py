"""Each node rounds in its own dtype, and a product in the precision that it states.

The oracle is exact rational arithmetic; the runs are real ones.
"""

from fractions import Fraction

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

import torchlean_jax as tl
from tests.domains.fp32 import runs
from tests.domains.interval.exact import fractions

RNG = np.random.default_rng(2)
NARROW = [jnp.float16, jnp.bfloat16]


def numbers(shape, dtype, low=0.5, high=2.0):
    return jnp.asarray(RNG.uniform(low, high, shape), dtype)


def exact_of(x):
    """The floats of an array, of any format, as rationals."""
    return fractions(np.asarray(x).astype(np.float64))


def value_and_runs(f, *point):
    value = tl.interpret(f, domain=tl.FP32)(*map(tl.FP32.lift, point))
    yield value
    for run in (f, tl.faithful_jit(f)):
        yield np.asarray(run(*point)).astype(np.float64)


def check(f, point, exact):
    """Nothing is outside, and the bound is not idle: a tenth of it would be."""
    value, *results = value_and_runs(f, *point)
    for result in results:
        assert not list(runs.violations(value, result, exact))
    return value


@pytest.mark.parametrize("dtype", NARROW, ids=lambda d: d.__name__)
def test_narrow_arithmetic_rounds_narrowly(dtype):
    x, y = numbers(64, dtype), numbers(64, dtype)
    value = check(lambda x, y: x * y, (x, y), exact_of(x) * exact_of(y))
    unit = float(jnp.finfo(dtype).eps) / 2
    assert (value.error >= unit * 0.2).all() and (value.error <= unit * 5).all()
    assert value.dtype == dtype
    check(lambda x, y: x * y + x, (x, y), exact_of(x) * exact_of(y) + exact_of(x))


@pytest.mark.parametrize("dtype", NARROW, ids=lambda d: d.__name__)
def test_a_cast_to_fewer_bits_rounds(dtype):
    x = numbers(64, jnp.float32)
    value = check(lambda x: x.astype(dtype), (x,), exact_of(x))
    assert (value.error > 0).all()
    # back in float32 the rounding stays, and may have been left out
    again = check(lambda x: x.astype(dtype).astype(jnp.float32), (x,), exact_of(x))
    assert (again.error == value.error).all()
    assert again.execution.contains(x).all()


def test_a_cast_to_more_bits_is_exact():
    x = numbers(64, jnp.bfloat16)
    value = check(lambda x: x.astype(jnp.float32), (x,), exact_of(x))
    assert not value.error.any()

    box = tl.box(jnp.bfloat16([0.5]), jnp.bfloat16([2.0]))
    wide = tl.interpret(lambda x: x.astype(jnp.float32), domain=tl.FP32)(box)
    assert not wide.error.any()


def test_arrays_keep_their_dtypes_side_by_side():
    x, y = numbers(64, jnp.float32), numbers(64, jnp.float16)

    def f(x, y):
        _, y = lax.optimization_barrier((x, y))
        return y * y

    assert check(f, (x, y), exact_of(y) ** 2).dtype == jnp.float16


def test_a_large_number_may_overflow_a_narrow_format():
    value = tl.interpret(lambda x: x.astype(jnp.float16), domain=tl.FP32)(
        tl.FP32.lift(jnp.float32([1.0, 7e4]))
    )
    assert np.isfinite(value.error).tolist() == [True, False]
    assert value.execution.contains(jnp.float32(np.inf)).tolist() == [False, True]


@pytest.mark.parametrize("dtype", NARROW, ids=lambda d: d.__name__)
def test_narrow_products_are_summed_in_float32(dtype):
    """1000 ones: a sum kept in bfloat16 would stop at 256."""
    ones = jnp.ones(1000, dtype)
    x, w = numbers(200, dtype), numbers((200, 3), dtype)
    for point in ((ones, ones[:, None]), (x, w)):
        exact = np.tensordot(exact_of(point[0]), exact_of(point[1]), 1)
        value = check(lambda x, w: x @ w, point, exact)
        size = float(max(exact))
        assert float(value.error.max()) < 2 * size * float(jnp.finfo(dtype).eps)


def test_a_product_rounds_in_the_dtype_that_it_states():
    x, w = numbers(64, jnp.bfloat16), numbers((64, 3), jnp.bfloat16)
    exact = np.tensordot(exact_of(x), exact_of(w), 1)
    wide = check(
        lambda x, w: jnp.matmul(x, w, preferred_element_type=jnp.float32),
        (x, w),
        exact,
    )
    assert wide.dtype == jnp.float32
    assert float(wide.error.max()) < 64 * 2.0**-23 * float(max(exact))


def test_float64_has_a_unit_of_its_own():
    with jax.enable_x64(True):
        x, y = numbers(64, jnp.float64), numbers(64, jnp.float64)
        value = check(lambda x, y: x / y, (x, y), exact_of(x) / exact_of(y))
        assert 0 < float(value.error.max()) < 1e-14
        tanh = tl.interpret(jnp.tanh, domain=tl.FP32)(tl.FP32.lift(x))
        assert float(tanh.error.max()) < 1e-14


@pytest.mark.parametrize("count", [2**24 + 1, -(2**24) - 1, 2**31 - 1])
def test_an_integer_that_float32_skips_is_rounded(count):
    f = lambda x, n: x + n.astype(jnp.float32)
    value = tl.interpret(f, domain=tl.FP32)(
        tl.FP32.lift(jnp.float32(0)), jnp.int32(count)
    )
    run = float(np.float32(count))
    assert not runs.violations(
        value, np.float64(run), np.asarray(Fraction(count), object)
    )


def dot(precision):
    return lambda x, w: jnp.dot(x, w, precision=precision)


def error_of(f, model):
    x, w = jnp.ones(8), jnp.ones((8, 1))
    value = tl.interpret(f, domain=tl.FP32(model))(tl.FP32.lift(x), tl.FP32.lift(w))
    return float(value.error[0]) / 8


def test_a_product_reads_its_precision():
    model = tl.ErrorModel
    highest = error_of(dot("highest"), model.tf32())
    assert highest == error_of(dot(None), model.xla_cpu()) < 1e-6
    assert 2.0**-10 < error_of(dot(None), model.tf32()) < 1.01 * 2.0**-10
    assert 2.0**-7 < error_of(dot(None), model.bf16()) < 1.01 * 2.0**-7
    assert error_of(dot("highest"), model.bf16()) < 1e-6
    with pytest.raises(tl.MissingRuleError, match=r"'high'.*state the highest"):
        error_of(dot("high"), model.bf16())
    stated = lax.DotAlgorithmPreset.TF32_TF32_F32
    assert error_of(dot(stated), model.xla_cpu()) > 2.0**-10


def test_reduced_precision_of_factors_is_covered():
    """What TF32 does to factors: 11 significant bits, to nearest."""
    x, w = numbers(64, jnp.float32), numbers((64, 3), jnp.float32)
    exact = np.tensordot(exact_of(x), exact_of(w), 1)
    read = lambda a: lax.reduce_precision(a, 8, 10)
    run = np.asarray(jnp.dot(read(x), read(w), precision="highest"), np.float64)
    model = tl.ErrorModel.tf32()
    value = tl.interpret(dot(None), domain=tl.FP32(model))(
        tl.FP32.lift(x), tl.FP32.lift(w)
    )
    plain = tl.interpret(dot(None), domain=tl.FP32)(tl.FP32.lift(x), tl.FP32.lift(w))
    assert not runs.violations(value, run, exact)
    assert runs.violations(plain, run, exact)


BAD = {
    "complex": jnp.ones(2, jnp.complex64),
    "float8": jnp.ones(2, jnp.float8_e4m3fn),
}


@pytest.mark.parametrize("name", BAD)
def test_a_format_without_a_model_is_refused(name):
    with pytest.raises(tl.MissingRuleError, match=r"FP32 (has no rules|models)"):
        tl.FP32.lift(BAD[name])


def test_a_function_without_a_figure_is_refused():
    bare = tl.ErrorModel("bare", ulps={}, provenance="nothing was measured")
    with pytest.raises(tl.MissingRuleError, match="no figure for 'tanh'"):
        tl.interpret(jnp.tanh, domain=tl.FP32(bare))(tl.FP32.lift(1.0))
    with pytest.raises(tl.InputError, match="a name of its own"):
        bare.replace("bare", ulps={"tanh": 1.0})
