"""Softmax over what a mask leaves, others being minus infinity."""

import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import torchlean_jax as tl
from tests.interpreters.test_patterns import graph_of, names, run
from torchlean_jax import pallas_kernels as kernels
from torchlean_jax.interpreters._patterns import recognise

MASK = np.array(
    [[1, 0, 0, 0], [1, 1, 0, 0], [0, 1, 1, 0], [1, 1, 1, 1], [0, 0, 0, 0]], bool
)
X = np.random.default_rng(0).normal(size=MASK.shape).astype(np.float32)


def masked(x, mask=MASK, axis=-1):
    return jax.nn.softmax(jnp.where(mask, x, -jnp.inf), axis)


def other_way_round(x):
    return jax.nn.softmax(jnp.where(~MASK, -jnp.inf, x), -1)


def down(x):
    return masked(x.T, MASK.T, 0).T


@pytest.mark.parametrize("f", [masked, other_way_round, down])
def test_it_is_recognised_and_has_the_same_values(f):
    assert "call:softmax_of_gaps" in names(f, X)
    (found,) = run(recognise(graph_of(f, X)), X)
    np.testing.assert_allclose(found, f(X), rtol=1e-6, atol=1e-30)
    assert np.isnan(np.asarray(found)[-1]).all()


def guarded(x):
    """As the kernels' formula has it: rows of which nothing is allowed are 0."""
    mask = jnp.asarray(MASK)
    return kernels.softmax(jnp.asarray(x), mask, implementation="reference")


def test_the_formula_of_the_kernel_is_recognised():
    found = names(guarded, X)
    assert "call:softmax_of_gaps" in found and "exp" not in found
    (found,) = run(recognise(graph_of(guarded, X)), X)
    np.testing.assert_allclose(found, guarded(X), rtol=1e-6, atol=1e-30)
    assert (np.asarray(found)[-1] == 0).all()


def test_a_guard_by_another_mask_is_left_alone():
    """Allowed by one mask and counted by another is no softmax."""
    other = np.roll(MASK, 1, axis=1)

    def mixed(x):
        e = jnp.where(MASK, jnp.exp(jnp.where(MASK, x - x[:, :1], 0.0)), 0.0)
        total = jnp.where(other.any(axis=-1, keepdims=True), e.sum(-1)[:, None], 2.0)
        return e / total

    assert not any("softmax" in name for name in names(mixed, X))


def around(x):
    """A box and its corners, drawn at random, as the float32 numbers that they are."""
    box = tl.box(x - 0.25, x + 0.25)
    ends = np.asarray(box.lo, np.float64), np.asarray(box.hi, np.float64)
    random = np.random.default_rng(1)
    corners = (np.where(random.random(x.shape) < 0.5, *ends) for _ in range(100))
    return box, list(corners)


def in_float64(x):
    """Row by row; relative errors of a few 2**-52."""
    shares = np.zeros(x.shape)
    for i, row in enumerate(x[:-1]):
        powers = np.array([math.exp(v) * m for v, m in zip(row, MASK[i], strict=True)])
        shares[i] = powers / math.fsum(powers)
    return shares


@pytest.mark.parametrize("method", ["ibp", "crown"])
def test_bounds_hold_and_know_something(method):
    box, corners = around(X)
    found = tl.bounds(masked, method=method)(box)
    lo, hi = np.asarray(found.lo, np.float64), np.asarray(found.hi, np.float64)
    for point in corners:
        shares = in_float64(point)[:-1]
        assert (shares >= lo[:-1] - 1e-12).all() and (shares <= hi[:-1] + 1e-12).all()
    assert (hi[:-1] - lo[:-1] < 0.3).all()
    assert (hi[:-1][~MASK[:-1]] < 1e-30).all()
    # of nothing there is no softmax: JAX returns NaN
    assert not (np.isfinite(lo[-1]) & np.isfinite(hi[-1])).any()


def test_bounds_of_the_formula_of_the_kernel():
    box, corners = around(X)
    found = tl.bounds(guarded, method="ibp")(box)
    lo, hi = np.asarray(found.lo, np.float64), np.asarray(found.hi, np.float64)
    for point in corners:
        shares = in_float64(point)
        assert (shares >= lo - 1e-12).all() and (shares <= hi + 1e-12).all()
    assert (hi - lo < 0.3).all() and (hi[~MASK] < 1e-30).all()


@pytest.mark.parametrize("method", ["ibp", "crown"])
def test_a_long_row(method):
    """Of more elements than are taken in differences."""
    random = np.random.default_rng(2)
    x = random.normal(size=(2, 80)).astype(np.float32)
    mask = random.random(x.shape) < 0.5
    f = lambda x: masked(x, mask)
    assert "call:softmax" in names(f, x)
    box, corners = around(x)
    found = tl.bounds(f, method=method)(box)
    lo, hi = np.asarray(found.lo, np.float64), np.asarray(found.hi, np.float64)
    for point in corners:
        powers = np.exp(point) * mask
        shares = powers / powers.sum(axis=1, keepdims=True)
        assert (shares >= lo - 1e-12).all() and (shares <= hi + 1e-12).all()
    assert (hi - lo < 0.3).all() and (hi[~mask] < 1e-30).all()


def test_a_mask_that_depends_on_the_input():
    """An element that is there for some inputs alone: nothing, or what holds."""

    def positive(x):
        return jax.nn.softmax(jnp.where(x > 0, x, -jnp.inf))

    x = jnp.array([1.0, 0.1, -1.0])
    found = tl.bounds(positive, method="ibp")(tl.box(x - 0.25, x + 0.25))
    for second in (-0.1, 0.3):
        shares = np.asarray(positive(x.at[1].set(second)))
        assert not (shares < np.asarray(found.lo)).any()
        assert not (shares > np.asarray(found.hi)).any()


def plain(x):
    causal = np.tril(np.ones((4, 4), bool))
    scores = jnp.where(causal, x @ x.T, -jnp.inf)
    return jax.nn.softmax(scores, axis=-1) @ x


def by_the_kernel(x):
    rows = x[None, :, None]
    return kernels.attention(rows, rows, rows, causal=True, scale=1.0)[0, :, 0]


@pytest.mark.parametrize("attend", [plain, by_the_kernel])
@pytest.mark.parametrize("method", ["ibp", "crown"])
def test_attention_behind_a_causal_mask(attend, method):
    x = X[:4]
    found = tl.bounds(attend, method=method)(tl.box(x - 0.05, x + 0.05))
    assert (np.asarray(found.hi - found.lo) < 1).all()
    value = np.asarray(plain(x))
    assert (value >= np.asarray(found.lo)).all()
    assert (value <= np.asarray(found.hi)).all()
