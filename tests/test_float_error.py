"""`float_error`: bounds against exact rationals, and what its breakdown means."""

from fractions import Fraction

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import torchlean_jax as tl
from torchlean_jax.domains._errors import InputError, MissingRuleError


def exact_dot(w, x):
    return [
        sum(
            Fraction(float(a)) * Fraction(float(b)) for a, b in zip(row, x, strict=True)
        )
        for row in w
    ]


def test_no_run_is_further_off_than_said():
    rng = np.random.default_rng(0)
    w = rng.normal(size=(3, 32)).astype(np.float32)
    x = (rng.normal(size=32) * 2.0 ** rng.integers(-8, 8, 32)).astype(np.float32)
    bound = np.asarray(tl.float_error(lambda x: jnp.asarray(w) @ x)(x).bound)
    orders = [np.arange(32), np.arange(32)[::-1], rng.permutation(32)]
    for order in orders:
        run = np.zeros(3, np.float32)
        for k in order:
            run = run + w[:, k] * x[k]  # NumPy rounds each product and each sum
        for got, true, most in zip(run, exact_dot(w, x), bound, strict=True):
            assert abs(Fraction(float(got)) - true) <= Fraction(float(most))
    # gamma_32 of the sum of magnitudes, and nothing much beyond
    sizes = np.abs(w).astype(np.float64) @ np.abs(x).astype(np.float64)
    assert (bound <= 1.1 * 33 * 2.0**-24 * sizes).all()


def test_nothing_is_off_where_nothing_rounds():
    error = tl.float_error(lambda x: (-x * 2.0, x[::-1]))(jnp.float32([1.5, 2.5]))
    assert all((np.asarray(leaf) == 0).all() for leaf in error.bound)
    assert "no node is ranked" in str(error.breakdown())


def test_the_breakdown_names_the_line_that_loses_the_digits():
    def f(x):
        y = jnp.tanh(x)
        return (y + 1e6) - 1e6

    parts = tl.float_error(f)(tl.box(0.5, 1.0)).breakdown().parts
    assert parts[0].node.primitive == "add" and parts[0].share > 0.99
    # half an ulp of a number next to 10^6, which is 1/32 at most
    assert 0.03 <= parts[0].added <= 0.0626
    assert [part.added for part in parts] == sorted(
        (part.added for part in parts), reverse=True
    )


def test_an_overflow_has_no_bound():
    error = tl.float_error(lambda x: x * x)(tl.box(1e30, 2e30))
    assert np.isinf(error.bound) and error.breakdown().parts == ()


def test_another_error_model_gives_another_bound():
    rough = tl.ErrorModel.xla_cpu().replace("rough", ulps={"tanh": 1000.0})
    usual = tl.float_error(jnp.tanh)(tl.box(0.5, 1.0))
    worse = tl.float_error(jnp.tanh, errors=rough)(tl.box(0.5, 1.0))
    assert 50 < float(worse.bound) / float(usual.bound) < 200  # 1000 of 6.5 ulps
    assert (usual.model.name, worse.model.name) == ("xla-cpu", "rough")


def test_bad_calls():
    with pytest.raises(InputError, match="not under jit"):
        jax.jit(tl.float_error(jnp.sin))(jnp.float32(1.0))
    with pytest.raises(MissingRuleError, match="eigh"):
        tl.float_error(lambda x: jnp.linalg.eigh(x)[0])(jnp.eye(2))
