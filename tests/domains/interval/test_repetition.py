"""Knowing that both operands are one value: squares, differences, comparisons."""

import jax
import jax.numpy as jnp

import torchlean_jax as tl


def run(f, lo, hi):
    return tl.interpret(f, domain=tl.Interval)(tl.box(lo, hi))


def test_x_times_x_is_a_square():
    for f in (
        lambda x: x * x,
        jnp.square,
        lambda x: x**2,
        lambda x: jnp.multiply(x, x),
    ):
        assert run(f, -1.0, 2.0).lo >= 0


def test_a_product_of_two_values_with_the_same_bounds_is_not():
    f = tl.interpret(lambda x, y: x * y, domain=tl.Interval)
    box = tl.box(-1.0, 2.0)
    assert f(box, box).lo <= -2


def test_a_norm_is_not_negative():
    assert run(lambda x: jnp.linalg.norm(x * jnp.ones(3)), -1.0, 2.0).lo >= 0
    assert run(lambda x: jnp.dot(x, x), jnp.full(3, -1.0), jnp.full(3, 2.0)).lo >= 0
    assert run(lambda x: x @ x - 0, jnp.full(3, 1.0), jnp.full(3, 2.0)).hi < 12.1
    assert not run(jnp.linalg.norm, jnp.full(3, -1.0), jnp.full(3, 2.0)).may_be_nan


def test_recognised_calls_are_tighter_than_their_pieces():
    box = tl.box(-3.0, 1.0)
    silu = tl.interpret(jax.nn.silu, domain=tl.Interval)(box)
    pieces = tl.interpret(lambda x: x * jax.nn.sigmoid(x), domain=tl.Interval)(box)
    assert silu.lo > -0.2785 and pieces.lo < -2
    softplus = tl.interpret(jax.nn.softplus, domain=tl.Interval)(box)
    assert 0.0485 < softplus.lo < 0.0486 and 1.3132 < softplus.hi < 1.3133


def test_a_function_that_only_shares_the_name_is_walked():
    @jax.jit
    def silu(x):
        return x + 1

    assert abs(run(silu, 0.0, 1.0).hi - 2) < 1e-5
