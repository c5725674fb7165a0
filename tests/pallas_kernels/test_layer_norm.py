"""LayerNorm: its contract, and ways to break it, each caught by a clause."""

import functools
import statistics

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import torchlean_jax as tl
from tests.pallas_kernels import base
from tests.pallas_kernels.faults import plants
from torchlean_jax.pallas_kernels import _rows, layer_norm
from torchlean_jax.pallas_kernels._rows import RowTiles
from torchlean_jax.pallas_kernels.layer_norm import _kernel
from torchlean_jax.pallas_kernels.layer_norm._contract import EPS, TERMS

FORWARD, BACKWARD = TERMS.programs


def test_gradients_next_to_the_smallest_float16():
    """With alternating inputs they are about 1e-4, near enough to 6e-5 that a bound
    may count them as flushed to 0: those of kernel and formula, or neither."""
    terms = base.with_kernel(TERMS, BACKWARD, BACKWARD.kernel)
    asked = {"shapes": ["wide"], "dtypes": ["float16"], "clauses": ["rounding"]}
    assert not base.failures(terms, **asked)


@pytest.mark.parametrize("program", TERMS.programs, ids=lambda p: p.name)
@pytest.mark.parametrize("shape", ["ragged", "one"])
def test_unrolled_or_interpreted(program, shape, interpreted):
    args = program.arguments(jax.random.key(0), TERMS.shapes[shape], jnp.float32)
    base.assert_runs_like_interpret_mode(program, args, interpreted)


def test_against_the_statistics_of_python():
    x, w, b = [0.5, -2.25, 3.0], [1.0, 0.5, -2.0], [0.0, 1.0, 2.0]
    mean, deviation = statistics.fmean(x), statistics.pvariance(x)
    scale = (deviation + 1e-3) ** -0.5
    expected = [(a - mean) * scale * v + c for a, v, c in zip(x, w, b, strict=True)]
    y = layer_norm(jnp.array(x), jnp.array(w), jnp.array(b), eps=1e-3)
    np.testing.assert_allclose(y, expected, rtol=1e-6)


class _OnePass(_kernel._Centred):
    """mean(x**2) - mean(x)**2, which is the same function and cancels."""

    def __init__(self, tiles, x_ref, eps):
        super().__init__(tiles, x_ref, eps)
        squares = tiles.sum(lambda step: tiles.load(x_ref, step) ** 2)
        variance = squares / tiles.width - self.mean**2
        self.scale = jax.lax.rsqrt(variance + eps)


class _PaddingDeviates(_kernel._Centred):
    """What lies beyond the row counts as a deviation of -mean."""

    def load(self, step):
        return self.tiles.load(self.x_ref, step) - self.mean


class _Unbiased(_kernel._Centred):
    """The variance of a sample, with n - 1."""

    def __init__(self, tiles, x_ref, eps):
        super().__init__(tiles, x_ref, eps)
        variance = tiles.sum(lambda step: self.load(step) ** 2) / (tiles.width - 1)
        self.scale = jax.lax.rsqrt(variance + eps)


def broken(monkeypatch, module=_rows, **changes):
    """The terms of the forward kernel, some names of a module of its replaced."""
    for name, change in changes.items():
        monkeypatch.setattr(module, name, change)

    # a new function: JAX keeps what it traced of the old one
    def kernel(x, weight, bias):
        return _kernel.layer_norm(x, weight, bias, eps=EPS)

    return base.with_kernel(TERMS, FORWARD, kernel)


@plants("layer_norm")
@pytest.mark.parametrize(
    ("centred", "clause"),
    [(_OnePass, "rounding"), (_PaddingDeviates, "meaning"), (_Unbiased, "meaning")],
)
def test_wrong_statistics(centred, clause, monkeypatch):
    terms = broken(monkeypatch, _kernel, _Centred=centred)
    assert clause in base.failing_clauses(terms, clauses=[clause], **base.ONE)


class _LosesTheLastTile(RowTiles):
    def __len__(self):
        return super().__len__() - 1


@plants("layer_norm", clause="memory")
def test_a_lost_tile(monkeypatch):
    tiles = {"RowTiles": _LosesTheLastTile, "row_tile": base.SmallTiles}
    terms = broken(monkeypatch, **tiles)
    assert base.failing_clauses(terms, clauses=["memory"], **base.ONE) == {"memory"}


def test_small_tiles_are_right(monkeypatch):
    terms = broken(monkeypatch, row_tile=base.SmallTiles)
    assert not base.failing_clauses(terms, clauses=["meaning", "memory"], **base.ONE)


def _no_bias_gradient(x, weight, dy, *, eps):
    dx, dw, db = _kernel.layer_norm_backward(x, weight, dy, eps=eps)
    return dx, dw, jnp.zeros_like(db)


def _no_mean_of_the_gradient(x, weight, dy, *, eps):
    dx, dw, db = _kernel.layer_norm_backward(x, weight, dy, eps=eps)
    centred = x - x.mean(axis=-1, keepdims=True)
    scale = jax.lax.rsqrt((centred**2).mean(axis=-1, keepdims=True) + eps)
    return dx + scale * (weight * dy).mean(axis=-1, keepdims=True), dw, db


@plants("layer_norm", clause="meaning")
@pytest.mark.parametrize("wrong", [_no_bias_gradient, _no_mean_of_the_gradient])
def test_a_wrong_backward(wrong):
    terms = base.with_kernel(TERMS, BACKWARD, functools.partial(wrong, eps=EPS))
    assert base.failing_clauses(terms, clauses=["meaning"], **base.ONE) == {"meaning"}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((jnp.ones((2, 3)), jnp.ones(3), jnp.ones(4)), r"bias \[4\]"),
        ((jnp.ones((2, 0)), jnp.ones(0), jnp.ones(0)), "n >= 1"),
        ((jnp.ones(3), jnp.ones(3), jnp.ones(3, int)), r"bias: int32\[3\]"),
    ],
)
def test_bad_input(arguments, message):
    with pytest.raises(tl.InputError, match=message):
        layer_norm(*arguments)
