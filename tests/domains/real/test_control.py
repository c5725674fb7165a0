"""Loops run as Python's, branches are taken: against loops over fractions."""

from fractions import Fraction

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

from tests.domains.real.agreement import disagreements, run

START = np.array([0.25, 0.7], np.float32)


def fractions(x):
    return np.array([Fraction(float(v)) for v in np.ravel(x)], object).reshape(
        np.shape(x)
    )


def logistic_map(x, n):
    xs = []
    for _ in range(n):
        x = Fraction(7, 2) * x * (1 - x)
        xs.append(x)
    return x, np.array(xs, object)


def test_a_scan_carries_and_stacks():
    def f(x):
        def step(c, i):
            c = 3.5 * c * (1 - c)
            return c, (c, i * 2)

        return lax.scan(step, x, jnp.arange(6))

    last, (ys, doubled) = run(f, START)
    exact, exact_ys = logistic_map(fractions(START), 6)
    assert not disagreements([last, ys], [exact, exact_ys])
    assert doubled.tolist() == [0, 2, 4, 6, 8, 10]


def test_a_reversed_scan_runs_backward():
    def f(xs):
        return lax.scan(lambda c, x: (c / 2 + x, c), 0.0, xs, reverse=True)

    xs = np.array([1, 2, 4, 8], np.float32)
    last, seen = run(f, xs)
    carry, expected = Fraction(0), []
    for x in fractions(xs)[::-1]:
        expected.append(carry)
        carry = carry / 2 + x
    assert not disagreements(
        [last, seen], [np.array(carry, object), np.array(expected[::-1], object)]
    )


def test_an_empty_scan_has_empty_outputs():
    def f(x):
        return lax.scan(lambda c, i: (c * 2, (c, i)), x, jnp.arange(0))

    last, (ys, counts) = run(f, START)
    assert not disagreements(last, fractions(START))
    assert ys.shape == (0, 2) and counts.shape == (0,)


def test_a_while_loop_runs_as_often_as_its_predicate_says():
    def f(x):
        def unfinished(state):
            y, _ = state
            return jnp.abs(y * y - x) > 1e-10

        def improve(state):
            y, n = state
            return (y + x / y) / 2, n + 1

        return lax.while_loop(unfinished, improve, (x, 0))

    y, count = run(f, np.float32(2))
    exact, n = Fraction(2), 0
    while abs(exact * exact - 2) > Fraction(float(np.float32(1e-10))):
        exact, n = (exact + 2 / exact) / 2, n + 1
    assert count == n == 4
    assert not disagreements(y, np.array(exact, object))


@pytest.mark.parametrize(("index", "factor"), [(-3, 2), (0, 2), (1, 3), (2, 5), (9, 5)])
def test_a_switch_takes_one_branch_the_nearest_if_out_of_range(index, factor):
    def f(i, x):
        branches = [lambda x: 2 * x, lambda x: 3 * x, lambda x: 5 * x]
        return lax.switch(i, branches, x)

    assert not disagreements(run(f, index, START), factor * fractions(START))


def test_a_branch_is_chosen_by_exact_numbers():
    """In floats 1 + 1e-30 is 1."""
    f = lambda x: lax.cond(x + 1e-30 > x, lambda: 1.0, lambda: 0.0)
    assert run(f, np.float32(1)).mid == 1
    assert f(np.float32(1)) == 0


def test_derivatives_go_through_calls_and_loops():
    @jax.custom_jvp
    def cube(x):
        return x**3

    @cube.defjvp
    def _(primals, tangents):
        return cube(primals[0]), 3 * primals[0] ** 2 * tangents[0]

    def f(x):
        y = jax.checkpoint(lambda c: jax.jit(cube)(c) + c)(x)
        return lax.fori_loop(0, 3, lambda i, y: y * x, y)

    x = Fraction(float(START[0]))
    gradient = 6 * x**5 + 4 * x**3
    assert not disagreements(run(jax.grad(f), START[0]), np.array(gradient, object))


def test_a_derivative_of_a_scan():
    def f(x):
        return lax.scan(lambda c, _: (c * c + x, None), 0.0, None, length=4)[0]

    c, d, x = Fraction(0), Fraction(0), Fraction(float(START[1]))
    for _ in range(4):
        c, d = c * c + x, 2 * c * d + 1
    assert not disagreements(run(jax.grad(f), START[1]), np.array(d, object))


def test_random_bits_are_drawn_as_they_are():
    """`uniform` places bits in a mantissa and subtracts 1: float32 does it exactly."""

    def f(key):
        def step(key, _):
            key, sub = jax.random.split(key)
            return key, jax.random.uniform(sub, (2,))

        return lax.scan(step, key, None, length=3)[1]

    key = jax.random.key(7)
    np.testing.assert_array_equal(run(f, key).mid, f(key))


def test_batches_go_through_vmap_inside():
    f = jax.vmap(lambda x: lax.cond(x > 0.5, lambda: x * x, lambda: -x))
    x = fractions(START)
    assert not disagreements(run(f, START), np.array([-x[0], x[1] ** 2], object))


def test_x64_changes_no_number():
    f = lambda x: lax.scan(lambda c, y: (c + y / 3, c), np.float32(0), x)[0]
    total = sum(fractions(START)) / 3
    for x64 in (False, True):
        with jax.enable_x64(x64):
            assert not disagreements(run(f, START), np.array(total, object))
