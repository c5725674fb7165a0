"""FP32 values under jit and vmap, and through loops, branches and choices."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

import torchlean_jax as tl
from torchlean_jax.domains.fp32 import FP32Value

X = np.random.default_rng(1).normal(size=(3, 5)).astype(np.float32)
W = np.random.default_rng(2).normal(size=(5, 5)).astype(np.float32)


def model(x):
    return jnp.tanh(x @ W) / 3


def values(f, *args):
    return tl.interpret(f, domain=tl.FP32)(*args)


def same(a, b):
    leaves = zip(jax.tree.leaves(a), jax.tree.leaves(b), strict=True)
    return all(np.allclose(x, y, rtol=1e-5) for x, y in leaves)


def holds(value, run):
    return bool(np.asarray(value.execution.contains(jnp.asarray(run))).all())


@pytest.mark.smoke
def test_it_runs_under_jit_and_vmap():
    x = tl.FP32.lift(X)
    alone = values(jax.vmap(model), x)
    f = tl.interpret(model, domain=tl.FP32)
    assert same(alone, jax.jit(jax.vmap(f))(x))
    assert same(alone, jax.vmap(f)(x))
    assert alone.dtype == jnp.float32 and holds(alone, jax.vmap(model)(X))


@pytest.mark.smoke
def test_a_box_is_lifted_where_the_walk_starts():
    box = tl.box(X[0] - 0.1, X[0] + 0.1)
    value = values(model, box)
    assert isinstance(value, FP32Value)
    assert holds(value, model(X[0])) and value.shape == (5,)
    assert not (value.error == 0).any() and np.isfinite(value.error).all()


def test_a_scan_carries_errors():
    def f(x):
        return lax.scan(lambda h, _: (h * 1.1 + x, h), x, None, length=4)

    last, hidden = values(f, tl.FP32.lift(X[0]))
    run_last, run_hidden = f(X[0])
    assert holds(last, run_last) and holds(hidden, run_hidden)
    growth = hidden.error.max(axis=1)
    assert growth[0] == 0 and (np.diff(growth) > 0).all()


def test_a_loop_that_every_run_leaves_in_the_same_round_is_decided():
    def f(x):
        return lax.while_loop(lambda c: c[0] < 10, lambda c: (c[0] * 2, c[1] + 1), x)

    grown, count = values(f, (tl.FP32.lift(jnp.float32(0.9)), jnp.int32(0)))
    assert holds(grown, 14.4) and float(grown.error) < 1e-5
    assert int(tl.FP32.lift(count).real.lo) == 4

    # 0.1 + ... + 0.1 may or may not be below 1 after ten rounds
    def g(x):
        return lax.while_loop(lambda c: c < 1, lambda c: c + x, jnp.float32(0))

    undecided = values(g, tl.FP32.lift(jnp.float32(0.1)))
    assert np.isinf(undecided.error) and bool(undecided.may_be_nan)


def test_a_branch_that_a_run_may_take_differently_is_joined():
    def f(x):
        return lax.cond(x * 3 > 1, lambda x: x + 10, lambda x: x - 10, x)

    third = np.float32(1) / np.float32(3)
    joined = values(f, tl.FP32.lift(third))
    assert holds(joined, f(third)) and float(joined.error) >= 20
    decided = values(f, tl.FP32.lift(np.float32(1.0)))
    assert float(decided.error) < 1e-5 and holds(decided, 11.0)


CONTINUOUS = {
    "leaky relu": jax.nn.leaky_relu,
    "elu": jax.nn.elu,
    "relu by where": lambda x: jnp.where(x > 0, x, 0.0),
    "of a computed value": lambda x: (lambda y: jnp.where(y > 0, y, 0.1 * y))(x * 3),
    "clipped": lambda x: jnp.where(x > 0.5, 0.5, jnp.where(x < -0.5, -0.5, x)),
    "two conditions": lambda x: jnp.where((x > 0) & (x < 0.5), x * (0.5 - x), 0.0),
    "not": lambda x: jnp.where(~(x > 0), -x, x),
}


@pytest.mark.parametrize("name", CONTINUOUS)
def test_a_continuous_choice_costs_little(name):
    """On a box across the kink, where runs and reals may choose differently."""
    f = CONTINUOUS[name]
    with jax.enable_x64(True):
        value = values(f, tl.FP32.lift(tl.box(np.float32(-1), np.float32(1))))
        assert 0 <= float(value.error) < 1e-5
        for x in np.float32([-1, -1e-39, 0, 1e-39, 0.3, 1]):
            assert holds(value, np.asarray(f(x), np.float64))


def test_a_step_costs_its_height_only_where_a_run_may_miss_it():
    box = tl.FP32.lift(tl.box(np.float32(0), np.float32(1)))
    step = lambda scale: lambda x: jnp.where(x * scale > 0.5, 1.0, -1.0)
    assert float(values(step(3), box).error) >= 2
    # an input is compared as it is
    assert float(values(lambda x: jnp.where(x > 0.5, 1.0, -1.0), box).error) == 0
    # except for a subnormal one, which may be taken for 0
    assert float(values(lambda x: jnp.where(x > 0, 1.0, -1.0), box).error) >= 2


@pytest.mark.parametrize("made", [np.array, jnp.array], ids=["numpy", "jax"])
def test_a_captured_subnormal_counts_and_may_be_read_as_zero(made):
    """The weights of a model are constants of the program that a user compiles."""
    weight = np.float32([1e-39, -3e-45])
    exact, scale = weight.astype(np.float64), 2.0**100
    captured = made(weight)
    f = tl.interpret(lambda x: jnp.multiply(captured, scale) * x, domain=tl.FP32)
    for run in (f, jax.jit(f)):
        with jax.enable_x64(True):
            value = run(tl.FP32.lift(np.float32([1.0, 1.0])))
            assert np.asarray(value.real.contains(jnp.asarray(exact * scale))).all()
            for read in (exact * scale, np.zeros(2)):
                assert holds(value, read)
            assert (np.asarray(value.error) >= np.abs(exact * scale)).all()


def test_an_overflow_says_that_nothing_is_known():
    value = values(lambda x: x * x - x * x, tl.FP32.lift(np.float32(1e30)))
    assert bool(value.may_be_nan) and np.isinf(value.error)
    value = values(lambda x: jnp.sum(x) * 1e-30, tl.FP32.lift(np.float32([3e38, 3e38])))
    assert bool(value.may_be_nan)


def test_a_masked_score_is_minus_infinity_and_costs_nothing_but_underflow():
    """Its weight is 0 in all runs; `exp` and the division do not know, and pay for
    results that lie below the smallest normal number: less than half an ulp of any
    other weight, so that no sum of weights would show it."""
    mask = np.array([True, True, False])
    x = np.float32([0.5, 1.5, 2.5])
    f = lambda x: jax.nn.softmax(jnp.where(mask, x, -jnp.inf))
    value = values(f, tl.FP32.lift(x))
    assert holds(value, f(x)) and float(value.error.max()) < 1e-5
    assert float(value.error[2]) < 2.0**-24 * float(value.real.lo[:2].min())


def test_every_primitive_without_a_rule_is_named():
    def f(x):
        return jnp.fft.fft(x).real + jax.scipy.special.gammaln(x)

    with pytest.raises(tl.MissingRuleError) as error:
        values(f, tl.FP32.lift(X[0]))
    message = str(error.value)
    assert "fft" in message and "lgamma" in message and "test_walks.py" in message


def test_a_value_shows_what_it_holds():
    value = tl.FP32.lift(np.float32([1.0, 2.0]))
    assert "error" in repr(value) and "float32" in repr(value)
    assert value[0].shape == () and len(list(value)) == 2
    leaves, tree = jax.tree.flatten(value)
    assert len(leaves) == 5 and jax.tree.unflatten(tree, leaves).dtype == jnp.float32
