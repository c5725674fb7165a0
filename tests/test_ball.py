"""Balls as input sets: the oracle is the dual norm in mpmath and points on the
sphere."""

import jax
import jax.numpy as jnp
import mpmath
import numpy as np
import pytest

import torchlean_jax as tl
from torchlean_jax.domains.affine import _ball

RNG = np.random.default_rng(5)
W = RNG.standard_normal((6, 3)).astype(np.float32)
X = RNG.standard_normal(6).astype(np.float32)


def exact_minimum(weights, center, radius, norm):
    """w . c - r |w|_q, to 60 digits."""
    with mpmath.workdps(60):
        w = [mpmath.mpf(float(v)) for v in weights]
        dual = max(map(abs, w)) if norm == 1 else mpmath.sqrt(sum(v * v for v in w))
        dot = sum(a * mpmath.mpf(float(b)) for a, b in zip(w, center, strict=True))
        return dot - mpmath.mpf(float(radius)) * dual


@pytest.mark.parametrize("norm", [1, 2])
@pytest.mark.parametrize("scale", [1.0, 1e-30, 1e30])
def test_a_linear_form_is_minimised_by_the_dual_norm(norm, scale):
    weights = (W * scale).astype(np.float32)
    ball = tl.ball(X, 0.25, norm=norm)
    y = tl.bounds(lambda x: x @ weights)(ball)
    for j in range(3):
        least = exact_minimum(weights[:, j], X, ball.radius, norm)
        most = -exact_minimum(-weights[:, j], X, ball.radius, norm)
        assert float(y.lo[j]) <= least and most <= float(y.hi[j])
        ulp = np.spacing(np.float32(max(abs(least), abs(most))))
        assert least - float(y.lo[j]) <= 2 * ulp and float(y.hi[j]) - most <= 2 * ulp


def sphere(norm, count=200):
    for _ in range(count):
        d = RNG.standard_normal(6)
        yield d / np.linalg.norm(d, norm)
    for sign in (1, -1):
        yield from sign * np.eye(6)


@pytest.mark.parametrize("norm", [1, 2])
@pytest.mark.parametrize("method", ["ibp", "crown-ibp", "crown"])
def test_outputs_on_the_ball_lie_inside(norm, method):
    def f(x):
        return jax.nn.relu(x @ W) @ W.T - 0.5 * x

    y = tl.bounds(f, method=method)(tl.ball(X, 0.3, norm=norm))
    for d in sphere(norm):
        value = np.asarray(f(jnp.asarray(X + 0.2999 * d, jnp.float32)), np.float64)
        assert (np.asarray(y.lo) <= value + 1e-5).all()
        assert (value - 1e-5 <= np.asarray(y.hi)).all()


def test_a_ball_is_less_than_its_box():
    f = lambda x: jax.nn.relu(x @ W).sum()
    box = tl.bounds(f)(tl.box(X, radius=0.3)).width
    two = tl.bounds(f)(tl.ball(X, 0.3, norm=2)).width
    one = tl.bounds(f)(tl.ball(X, 0.3, norm=1)).width
    assert one < two < 0.8 * box


def test_under_jit_in_float32():
    y = jax.jit(lambda r: tl.bounds(lambda x: x @ W)(tl.ball(X, r)))(0.25)
    for j in range(3):
        assert float(y.lo[j]) <= exact_minimum(W[:, j], X, 0.25, 2)


def test_the_wrong_norm_is_noticed(monkeypatch):
    monkeypatch.setattr(
        _ball, "_euclidean", lambda flat, slack, tiny: _ball._largest(flat)
    )
    with pytest.raises(AssertionError):
        test_a_linear_form_is_minimised_by_the_dual_norm(2, 1.0)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ((X, -1.0, 2), "negative"),
        ((X, np.inf, 2), "finite"),
        ((np.full(6, np.nan, np.float32), 1.0, 2), "finite"),
        ((X, 1.0, 3), "norm"),
        ((X, X, 2), "shape"),
        ((np.arange(3), 1.0, 2), "dtype"),
    ],
)
def test_bad_balls(arguments, says):
    x, radius, norm = arguments
    with pytest.raises(tl.InputError, match=says):
        tl.ball(x, radius, norm=norm)
