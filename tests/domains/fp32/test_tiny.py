"""Library functions next to the smallest normal number: the runs are the oracle.

XLA computes some of them in several steps, and an inner one may be flushed:
asin(2.3e-38) returns 0 on CPU.
"""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

import torchlean_jax as tl
from torchlean_jax.domains.fp32 import _result
from torchlean_jax.domains.fp32._format import format_of
from torchlean_jax.domains.interval import Interval

NAMES = (
    "asin asinh atan atanh sinh tanh erf expm1 log1p sin tan cos cosh exp logistic"
).split()
SIZES = np.float32(2.0) ** np.arange(-126, -120, dtype=np.float32)
X = np.concatenate([s * SIZES * np.float32(m) for s in (1, -1) for m in (1, 1.4, 1.99)])


@pytest.mark.parametrize("name", NAMES)
def test_runs_are_inside_next_to_the_smallest_normal_number(name):
    function = getattr(lax, name)
    runs = [np.asarray(run(jnp.asarray(X))) for run in (function, jax.jit(function))]
    with jax.enable_x64(True):
        value = tl.interpret(function, domain=tl.FP32)(tl.FP32.lift(jnp.asarray(X)))
        for run in runs:
            inside = value.execution.contains(jnp.asarray(run.astype(np.float64)))
            assert np.asarray(inside).all(), X[~np.asarray(inside)]


# NumPy rounds a cast to the nearest number and keeps what is subnormal.
HALF = float(np.finfo(np.float16).smallest_normal)
AROUND = np.concatenate(
    [s * HALF * np.linspace(0.4, 2.6, 999) for s in (1.0, -1.0)]
).astype(np.float32)


def casts(x):
    """The narrow number that is nearest, kept or flushed, as float64."""
    nearest = x.astype(np.float16)
    flushed = np.where(np.abs(nearest) < np.float16(HALF), 0, nearest)
    return [run.astype(np.float64) for run in (nearest, flushed)]


def to_half(box):
    return tl.interpret(lambda x: x.astype(jnp.float16), domain=tl.FP32)(box)


BOUNDS = jax.jit(to_half)


def outside(low, high, points, bounds=BOUNDS):
    """Which runs at `points`, each within its box, are not within the bounds."""
    value = bounds(tl.box(low, high))
    run, error = value.execution, np.asarray(value.error, np.float64)
    lo, hi = np.asarray(run.lo, np.float64), np.asarray(run.hi, np.float64)
    found = np.zeros(points.shape, bool)
    for cast in casts(points):
        found |= (cast < lo) | (cast > hi) | (np.abs(cast - points) > error)
    return found


def test_a_cast_is_flushed_below_the_smallest_normal_number_and_not_above():
    assert not outside(AROUND, AROUND, AROUND).any()
    error = np.asarray(BOUNDS(tl.box(AROUND, AROUND)).error)
    normal = np.abs(AROUND) > HALF * (1 + 2.0**-10)
    assert normal.any() and (error[normal] < 1.01 * 2.0**-11 * 2.6 * HALF).all()


def test_boxes_around_it_hold_what_their_numbers_become():
    low, high = AROUND - np.float32(HALF / 4), AROUND + np.float32(HALF / 4)
    for points in (low, AROUND, high):
        assert not outside(low, high, points).any()


def test_a_threshold_that_is_too_low_is_noticed(monkeypatch):
    sound = _result._may_flush

    def half(kind, *rest):
        return sound(dataclasses.replace(kind, tiny=kind.tiny / 2), *rest)

    monkeypatch.setattr(_result, "_may_flush", half)
    # a function of its own: JAX keeps what it traced of the other
    broken = jax.jit(lambda box: to_half(box))
    assert outside(AROUND, AROUND, AROUND, broken).any()


@pytest.mark.parametrize("sign", [1, -1])
@pytest.mark.parametrize(
    ("size", "relative", "absolute"),
    [(3, 0, 2.5), (3, 0.75, 0), (5, 0.5, 2), (9, 1, 0)],
)
def test_what_errors_bring_below_it_is_flushed_too(size, relative, absolute, sign):
    """(1 - relative) size - absolute is less than the smallest normal number, so that a
    run may be 0: all of the result is lost."""
    tiny = format_of(jnp.float16).tiny
    exact = Interval.lift(jnp.float32(sign * size * tiny))
    parts = {"relative": relative, "absolute": absolute * tiny}
    zero = jnp.zeros((), jnp.float32)
    value = _result.rounded(tl.FP32(), jnp.float16, exact, exact, zero, **parts)
    assert value.execution.contains(zero)
    assert value.error >= size * tiny
