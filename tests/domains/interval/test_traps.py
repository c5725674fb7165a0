"""Computations on which interval tools have been wrong, one test each."""

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

import torchlean_jax as tl

TINY = np.finfo(np.float32).tiny


def run(f, *values):
    return tl.interpret(f, domain=tl.Interval)(*values)


def both_ways(f, *values):
    """Eagerly and under a plain jit, where XLA may rewrite the algebra."""
    yield run(f, *values)
    yield jax.jit(tl.interpret(f, domain=tl.Interval))(*values)


def point(x, dtype=np.float32):
    return tl.Interval(jnp.asarray(x, dtype), jnp.asarray(x, dtype))


def between(lo, hi):
    return tl.Interval(jnp.asarray(lo, jnp.float32), jnp.asarray(hi, jnp.float32))


def holds(interval, exact):
    return float(interval.lo) <= exact <= float(interval.hi)


def nothing_known(interval):
    return bool(interval.may_be_nan.all())


def test_a_flushed_subnormal_difference_is_inside():
    """1.5e-38 - 1.2e-38 is subnormal: the hardware returns 0."""
    a, b = np.float32(1.5e-38), np.float32(1.2e-38)
    for result in both_ways(lambda x, y: x - y, point(a), point(b)):
        assert holds(result, float(a) - float(b))


def test_a_flushed_product_is_inside():
    for result in both_ways(lambda x, y: x * y, point(1e-25), point(1e-25)):
        assert holds(result, float(np.float32(1e-25)) ** 2)


def test_a_subnormal_weight_times_a_huge_input_is_not_lost():
    """Read as zero, a weight of 1e-39 loses 0.3 of a product with 3e38."""
    weight = np.float32(1e-39)
    exact = float(weight) * float(np.float32(3e38))
    for result in both_ways(lambda x: x * weight, point(3e38)):
        assert holds(result, exact)
    for result in both_ways(lambda x: x[None] @ jnp.full((1,), weight), point(3e38)):
        assert holds(result, exact)
    weights = jnp.full((1,), weight)  # and when the weight is an argument
    result = jax.jit(tl.interpret(lambda w, x: x[None] @ w, domain=tl.Interval))
    assert holds(result(weights, point(3e38)), exact)


def test_adding_and_subtracting_a_large_constant_rounds():
    """XLA simplifies (x + 1e8) - 1e8 to x; the bounds may not shrink to it wrongly."""
    for result in both_ways(lambda x: (x + 1e8) - 1e8, between(0.1, 0.3)):
        assert result.lo <= np.float32(0.1) and result.hi >= np.float32(0.3)
    for result in both_ways(lambda x: (x + 1e8) - 1e8, point(0.1)):
        assert holds(result, float(np.float32(0.1)))


def test_undecided_branches_of_where_are_joined():
    """A peer returns [0, -0] here."""
    for result in both_ways(lambda x: jnp.where(x < 1, x, -x), tl.box(0.0, 2.0)):
        assert result.lo <= -2 and result.hi >= 1
        assert result.lo >= -2.001 and result.hi <= 2.001


def test_signed_zeros_are_one_number():
    zeros = tl.Interval(jnp.float32(0.0), jnp.float32(-0.0))
    for result in both_ways(lambda x: jnp.where(x >= 0, 1.0, -1.0), zeros):
        decided = tl.Interval.lift(result)
        assert decided.lo == decided.hi == 1
    for result in both_ways(lambda x: 1 / x, zeros):
        assert nothing_known(result)
    for result in both_ways(jnp.sqrt, zeros):
        assert result.lo == 0 or holds(result, 0.0)


@pytest.mark.parametrize("c", [3.0, 49.0, 1e-30, 7e30])
def test_division_by_a_constant_survives_the_reciprocal(c):
    """XLA computes x/c as x * (1/c), even eagerly."""
    x = np.float32(10.123457)
    exact = float(x) / float(np.float32(c))
    for result in both_ways(lambda v: v / c, point(x)):
        assert holds(result, exact)


def test_division_by_a_huge_number_survives_a_flushed_reciprocal():
    y = np.float32(2.0**127)
    for result in both_ways(lambda a, b: a / b, point(2.0**127), point(y)):
        assert holds(result, 1.0)


def test_overflow_is_an_infinite_endpoint_and_not_a_finite_bound():
    for result in both_ways(lambda x: x * x, between(1e30, 2e30)):
        assert result.hi == np.inf and float(result.lo) <= 1e60
    for result in both_ways(jnp.exp, between(0.0, 1000.0)):
        assert result.lo <= 1 and result.hi == np.inf
    for result in both_ways(jnp.exp, between(1000.0, 2000.0)):
        assert 0 < result.lo < np.inf and result.hi == np.inf


def test_a_sum_that_overflows_on_the_way_claims_nothing_false():
    """3e38 + 3e38 - 3e38 is 3e38, whatever the partial sums."""
    x = jnp.array([3e38, 3e38, -3e38], jnp.float32)
    ones = jnp.ones(3)
    for f in (jnp.sum, lambda v: v @ ones, lambda v: jnp.cumsum(v)[-1]):
        for result in both_ways(f, point(x)):
            assert nothing_known(result) or holds(result, float(np.float32(3e38)))


def test_infinity_minus_infinity_is_nothing_known():
    x = between(1e38, 3e38)
    for result in both_ways(lambda v: v * 10 - v * 10, x):
        assert nothing_known(result)
    for result in both_ways(lambda v: (v * 10) * 0.0, x):
        assert nothing_known(result)
    for result in both_ways(lambda v: v * 10 - v * 10, between(0.0, 3e38)):
        assert nothing_known(result)


def test_x_minus_itself_is_zero_only_where_it_is_finite():
    for result in both_ways(lambda v: v - v, between([1.0, 1e30], [2.0, np.inf])):
        assert result.lo[0] == result.hi[0] == 0
        assert bool(result.may_be_nan[1])


def test_outside_the_domain_nothing_is_known():
    for result in both_ways(jnp.log, between(0.0, 1.0)):
        assert result.lo == -np.inf and holds(result, 0.0)
    for f in (jnp.log, jnp.sqrt, lax.rsqrt, lambda v: v**0.5):
        for result in both_ways(f, between(-2.0, -1.0)):
            assert nothing_known(result)
        for result in both_ways(f, between(-1.0, 1.0)):
            assert nothing_known(result)


def test_what_may_be_no_number_decides_nothing():
    """NaN > 0 is false and NaN < 0 is false; neither is known of what may be NaN."""
    unknown = between(-1.0, 1.0)
    for result in both_ways(lambda v: jnp.where(jnp.sqrt(v) > 5, 1.0, 2.0), unknown):
        assert result.lo == 1 and result.hi == 2
    for result in both_ways(
        lambda v: jnp.where(jnp.isnan(jnp.log(v)), 1.0, 2.0), unknown
    ):
        assert result.lo == 1 and result.hi == 2
    for result in both_ways(lambda v: jnp.isnan(v * 2), unknown):
        assert not np.asarray(getattr(result, "hi", result))
    for f in (jnp.sort, lambda v: jnp.maximum(v, 0), lambda v: lax.top_k(v, 1)[0]):
        for result in both_ways(
            lambda v, f=f: f(jnp.stack([jnp.sqrt(v), v + 9])), unknown
        ):
            assert result.may_be_nan.any()
    for result in both_ways(
        lambda v: jnp.argmax(jnp.stack([v + 9, jnp.sqrt(v)])).astype(jnp.float32),
        unknown,
    ):
        assert result.lo == 0 and result.hi == 1


@pytest.mark.parametrize("dtype", [jnp.float16, jnp.bfloat16])
def test_half_precision_models_speak_of_the_reals(dtype):
    """Endpoints are float32: 1 + 2**-12 is not rounded to the model's own format."""

    def f(x):
        return (x + jnp.asarray(2.0**-12, dtype)) * jnp.asarray(3.0, dtype)

    x = jnp.asarray(1.0, dtype)
    for result in both_ways(f, tl.Interval(x, x)):
        assert result.lo.dtype == jnp.float32
        assert holds(result, 3 * (1 + 2.0**-12))
        assert result.width < 1e-5


def test_casts_out_of_range_may_be_any_integer():
    kind = np.iinfo(np.int32)
    for f in (lambda v: v.astype(jnp.int32), lambda v: (v / 0).astype(jnp.int32)):
        for result in both_ways(f, between(1.0, 4e9)):
            assert result.lo == kind.min and result.hi == kind.max
    result = run(lambda v: v.astype(jnp.uint8), between(0.0, 255.9))
    assert result.lo == 0 and result.hi == 255
    result = run(lambda v: v.astype(jnp.uint8), between(-1.5, 3.0))
    assert result.lo == 0 and result.hi == 255


def test_a_cast_of_one_integer_keeps_its_low_bits():
    numbers = np.arange(-300, 300, dtype=np.int32)
    low_bits = [(int(n) + 128) % 256 - 128 for n in numbers]
    lo, hi = np.append(numbers, 100), np.append(numbers, 300)  # the last is no point
    for result in both_ways(lambda v: v.astype(jnp.int8), tl.Interval(lo, hi)):
        assert result.lo.tolist() == [*low_bits, -128]
        assert result.hi.tolist() == [*low_bits, 127]


def test_a_carry_turns_abstract_in_the_loop():
    def f(x):
        def body(carry, t):
            total, steps = carry
            return (jnp.maximum(total * t + x, 0), steps + 1), total

        (total, steps), seen = lax.scan(body, (jnp.zeros(2), 0), jnp.arange(4.0))
        return total, steps, seen

    box = between([-1.0, 0.5], [1.0, 0.7])
    for total, steps, seen in both_ways(f, box):
        assert steps == 4
        assert seen.shape == (4, 2)
        for x in (
            np.float32([-0.3, 0.6]),
            np.float32([1.0, 0.7]),
            np.float32([-1.0, 0.5]),
        ):
            want = f(x)
            assert total.contains(want[0]).all() and seen.contains(want[2]).all()


def test_an_undecided_cond_joins_and_a_decided_one_does_not():
    def f(x):
        return lax.cond(x.sum() > 0, lambda x: x * 2, lambda x: jnp.full(2, 7.0), x)

    for result in both_ways(f, between([-1.0, -1.0], [1.0, 1.0])):
        assert (result.lo <= -2).all() and (result.hi >= 7).all()
    for result in both_ways(f, between([1.0, 1.0], [2.0, 2.0])):
        assert (result.hi < 5).all()


def test_an_undecided_while_knows_nothing():
    def f(x):
        return lax.while_loop(lambda c: c < 10, lambda c: c * 2, x)

    for result in both_ways(f, between(1.0, 1.6)):
        assert nothing_known(result)
    for result in both_ways(f, between(1.5, 1.6)):
        assert holds(result, 12.0) and result.hi < 13


def test_random_numbers_from_a_known_key_are_points():
    def f(key, x):
        return x + jax.random.normal(key, (3,))

    key = jax.random.key(0)
    for result in both_ways(f, key, point([0.0, 0.0, 0.0])):
        assert (
            result.contains(jax.random.normal(key, (3,)) + 0).all()
            or (result.width < 1e-4).all()
        )
        assert (result.width < 1e-4).all()


def loss(params, box):
    model = tl.interpret(lambda p, x: jnp.tanh(x @ p[0]) @ p[1], domain=tl.Interval)
    out = model(params, box)
    return jnp.sum(out.hi - out.lo)


def test_bounds_have_gradients_that_match_differences():
    rng = np.random.default_rng(0)
    params = [jnp.asarray(rng.normal(size=s), jnp.float32) for s in ((3, 5), (5, 2))]
    box = tl.box(jnp.asarray(rng.normal(size=(4, 3)), jnp.float32), radius=0.3)
    grads = jax.jit(jax.grad(loss))(params, box)
    direction = [jnp.asarray(rng.normal(size=p.shape), jnp.float32) for p in params]
    step = 1e-2
    ends = [
        loss([p + s * step * d for p, d in zip(params, direction, strict=True)], box)
        for s in (1, -1)
    ]
    slope = sum(jnp.vdot(g, d) for g, d in zip(grads, direction, strict=True))
    assert np.isfinite(slope)
    np.testing.assert_allclose(slope, (ends[0] - ends[1]) / (2 * step), rtol=2e-2)


def test_a_hessian_is_a_function_like_any_other():
    """Its jaxpr says on which device arrays live, which says nothing about values."""

    def f(x):
        return jax.hessian(lambda x: jnp.sum(x**3 * x[0]))(x)

    x = jnp.array([0.5, -0.25, 1.0])
    for result in both_ways(f, tl.box(x, radius=0.01)):
        assert result.contains(f(x)).all() and result.contains(f(x + 0.005)).all()
        assert (result.width < 1).all()


def test_vmap_gives_what_one_box_at_a_time_gives():
    f = tl.interpret(lambda x: jnp.sort(jnp.abs(x) * x), domain=tl.Interval)
    lo = jnp.arange(12.0).reshape(4, 3) / 7 - 1
    stacked = jax.vmap(f)(tl.Interval(lo, lo + 0.1))
    for i in range(4):
        alone = f(tl.Interval(lo[i], lo[i] + 0.1))
        np.testing.assert_allclose(stacked.lo[i], alone.lo, rtol=1e-5)
        np.testing.assert_allclose(stacked.hi[i], alone.hi, rtol=1e-5)


def test_calling_again_does_not_trace_again():
    chex.clear_trace_counter()

    @chex.assert_max_traces(n=2)  # the shapes of two arguments
    def model(x):
        return jnp.tanh(x) * 2

    f = tl.interpret(model, domain=tl.Interval)
    for scale in (1.0, 2.0, 3.0):
        f(tl.box(scale, scale + 1))
        f(tl.box(jnp.full(3, scale), radius=0.1))


def test_endpoints_follow_the_x64_switch():
    for enabled, dtype in ((False, np.float32), (True, np.float64)):
        with jax.enable_x64(enabled):
            x = tl.Interval(jnp.float32(0.1), jnp.float32(0.2))
            result = run(lambda v: v / 3 + 1, x)
            assert result.lo.dtype == dtype and result.hi.dtype == dtype
