"""Softmax, logsumexp and maxima: planes and choices, checked in exact arithmetic."""

import importlib
from fractions import Fraction
from types import SimpleNamespace

import chex
import flint
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

from tests.domains.affine.cases import ball
from tests.domains.affine.exact import PRECISIONS
from torchlean_jax.domains.affine._wholes import differences
from torchlean_jax.domains.affine.relaxations import (
    choose,
    gap_planes,
    logsumexp_planes,
    softmax_planes,
    windows_of,
)
from torchlean_jax.domains.interval import Interval

SOFTMAX = importlib.import_module("torchlean_jax.domains.affine.relaxations._softmax")
EXTREMES = importlib.import_module("torchlean_jax.domains.affine.relaxations._extremes")
N, BATCH = 4, 24


def boxes(dtype, seed=0, shape=(BATCH, N)):
    """Radii from 0 to 15 around logits of a few units, one batch entry far from the
    others."""
    rng = np.random.default_rng(seed)
    centre = rng.normal(size=shape) * 3
    centre[0, 0] += 40
    radius = 10.0 ** rng.uniform(-7, 1.2, (shape[0], 1)) * rng.uniform(0, 1, shape)
    radius[1] = 0
    return (centre - radius).astype(dtype), (centre + radius).astype(dtype), rng


def planes_of(function, lo, hi, jit=True):
    with jax.enable_x64(PRECISIONS[lo.dtype.name]):
        call = jax.jit(function) if jit else function
        planes = call(Interval(jnp.asarray(lo), jnp.asarray(hi)))
        return jax.tree.map(lambda v: np.asarray(v, object), planes)


def exact_softmax(x):
    powers = [ball(v).exp() for v in x]
    return [p / sum(powers) for p in powers]


def exact_logsumexp(x):
    return [sum(ball(v).exp() for v in x).log()]


def hold(planes, exact, lo, hi, rng, samples=6):
    """Whether the planes hold at corners and inner points of every box."""
    for k in range(lo.shape[0]):
        for n in range(samples):
            share = rng.integers(0, 2, N) if n % 2 else rng.uniform(0, 1, N)
            x = np.clip(
                (lo[k] * (1 - share) + hi[k] * share).astype(lo.dtype), lo[k], hi[k]
            )
            x = [Fraction(float(v)) for v in x]
            for i, true in enumerate(exact(x)):
                at = (k,) if planes.lower.ndim == 2 else (k, i)
                below = _plane(planes.lower[at], planes.lower_offset[at], x)
                above = _plane(planes.upper[at], planes.upper_offset[at], x)
                if below is not None and true - below < 0:
                    return False
                if above is not None and true - above > 0:
                    return False
    return True


def _plane(slopes, offset, x):
    if not np.isfinite(float(offset)):
        return None
    total = sum(Fraction(float(a)) * v for a, v in zip(slopes, x, strict=True))
    return ball(total + Fraction(float(offset)))


KINDS = {
    "softmax": (softmax_planes, exact_softmax),
    "logsumexp": (logsumexp_planes, exact_logsumexp),
}


@pytest.mark.parametrize("dtype", PRECISIONS)
@pytest.mark.parametrize("kind", KINDS)
def test_planes_hold(kind, dtype):
    function, exact = KINDS[kind]
    lo, hi, rng = boxes(dtype)
    planes = planes_of(function, lo, hi)
    assert hold(planes, exact, lo, hi, rng)
    assert np.isfinite(planes.lower_offset.astype(float)).all()
    assert np.isfinite(planes.upper_offset.astype(float)).all()


def gap_planes_of(lo, hi, *, jit=True):
    def function(x):
        return gap_planes(differences(x))

    return planes_of(function, lo, hi, jit=jit)


def gaps_hold(planes, lo, hi, rng):
    """Oracle: balls at exact points, the planes in exact differences of rationals."""
    for k in range(len(lo)):
        for n in range(20):
            share = rng.integers(0, 2, N) if n % 2 else rng.uniform(0, 1, N)
            x = np.clip(lo[k] * (1 - share) + hi[k] * share, lo[k], hi[k])
            x = [Fraction(float(v)) for v in x]
            for i, true in enumerate(exact_softmax(x)):
                gap, at = [v - x[i] for v in x], (k, i)
                if true - _plane(planes.lower[at], planes.lower_offset[at], gap) < 0:
                    return False
                if true - _plane(planes.upper[at], planes.upper_offset[at], gap) > 0:
                    return False
    return True


def test_planes_in_gaps_hold():
    lo, hi, rng = boxes("float64")
    planes = gap_planes_of(lo, hi)
    assert gaps_hold(planes, lo, hi, rng)


def test_planes_in_gaps_see_a_wrong_chord(monkeypatch):
    lo, hi, rng = boxes("float64", seed=2)
    monkeypatch.setattr(SOFTMAX, "_chords", lambda gap, e: (e.lo[1], e.lo[1] * 0))
    assert not gaps_hold(gap_planes_of(lo, hi, jit=False), lo, hi, rng)


def test_a_gap_is_known_from_its_opposite():
    lo, hi, _ = boxes("float64")
    with jax.enable_x64(True):
        gap = differences(Interval(jnp.asarray(lo), jnp.asarray(hi)))
        lower = jnp.tril(jnp.ones(gap.shape[-2:], bool))
        half = Interval(jnp.where(lower, -1e3, gap.lo), jnp.where(lower, 1e3, gap.hi))
        whole, known = jax.jit(gap_planes)(gap), jax.jit(gap_planes)(half)
        chex.assert_trees_all_equal(whole, known)


@pytest.mark.parametrize("kind", KINDS)
def test_planes_shrink_with_the_square_of_the_box(kind):
    """First order in the box is exact; what remains is second order."""
    function, _ = KINDS[kind]
    centre = np.random.default_rng(1).normal(size=(BATCH, N))
    gaps = []
    for radius in (0.1, 0.01):
        p = planes_of(function, centre - radius, centre + radius)
        p = jax.tree.map(lambda v: v.astype(float), p)
        x = centre[:, None, :] if p.lower.ndim == 3 else centre
        upper = (p.upper * x).sum(-1) + p.upper_offset
        gaps.append((upper - (p.lower * x).sum(-1) - p.lower_offset).mean())
    assert 80 < gaps[0] / gaps[1] < 120


@pytest.mark.parametrize("kind", KINDS)
def test_nothing_is_known_of_an_unbounded_argument(kind):
    function, _ = KINDS[kind]
    lo, hi = np.zeros((3, N)), np.ones((3, N))
    lo[0, 1], hi[1, 2], lo[2, 0] = -np.inf, np.inf, np.nan
    planes = planes_of(function, lo, hi)
    assert (planes.lower == 0).all() and (planes.upper == 0).all()
    assert (planes.lower_offset == -np.inf).all() and (
        planes.upper_offset == np.inf
    ).all()


@pytest.mark.parametrize(
    "kind, attribute, fault",
    [
        ("softmax", "_in_arguments", lambda slopes, gap, x: (slopes.lo, 0 * x.lo)),
        ("softmax", "_chords", lambda gap, e: (e.lo[1], e.lo[1] * 0)),
        (
            "logsumexp",
            "_level_left_out",
            lambda slopes, most: Interval(0 * most, 0 * most)[..., 0],
        ),
    ],
)
def test_a_planted_fault_is_noticed(kind, attribute, fault, monkeypatch):
    function, exact = KINDS[kind]
    lo, hi, rng = boxes("float64", seed=2)
    monkeypatch.setattr(SOFTMAX, attribute, fault)
    assert not hold(planes_of(function, lo, hi, jit=False), exact, lo, hi, rng)


def equation_of(function, shape):
    (eqn,) = jax.make_jaxpr(function)(jnp.zeros(shape, jnp.float32)).jaxpr.eqns
    return SimpleNamespace(name=eqn.primitive.name, params=eqn.params)


def pool(window, strides, padding, **dilations):
    return lambda x: lax.reduce_window(
        x, -jnp.inf, lax.max, window, strides, padding, **dilations
    )


MAXIMA = {
    "reduce_max": (lambda x: jnp.max(x, axis=1), (3, 4)),
    "reduce_max of two axes": (lambda x: jnp.max(x, axis=(0, 2)), (2, 3, 2)),
    "cummax": (lambda x: lax.cummax(x, axis=1), (2, 5)),
    "cummax backwards": (lambda x: lax.cummax(x, axis=0, reverse=True), (4, 2)),
    "pool": (pool((2, 2), (2, 2), "VALID"), (4, 6)),
    "pool that overlaps": (pool((3, 2), (1, 2), "SAME"), (5, 4)),
    "pool with dilations": (
        pool(
            (2, 2),
            (1, 1),
            ((1, 0), (0, -1)),
            window_dilation=(2, 1),
            base_dilation=(1, 2),
        ),
        (4, 4),
    ),
}


@pytest.mark.parametrize("name", MAXIMA)
def test_windows_hold_what_the_primitive_looks_at(name):
    """Oracle: the primitive itself, on numbers that are all different."""
    function, shape = MAXIMA[name]
    windows = windows_of(equation_of(function, shape), shape)
    for seed in range(5):
        x = (
            np.random.default_rng(seed)
            .permutation(int(np.prod(shape)))
            .astype(np.float32)
        )
        got = np.where(windows >= 0, x[np.maximum(windows, 0)], -np.inf).max(axis=1)
        assert (got == np.asarray(function(x.reshape(shape))).reshape(-1)).all()


def maximum_holds(choice, windows, lo, hi, rng):
    for _ in range(200):
        share = (
            rng.uniform(0, 1, lo.shape)
            if rng.uniform() < 0.5
            else rng.integers(0, 2, lo.shape)
        )
        x = [Fraction(float(v)) for v in np.clip(lo * (1 - share) + hi * share, lo, hi)]
        for r, window in enumerate(windows):
            true = max(x[i] for i in window if i >= 0)
            above = Fraction(float(choice.rise[r])) * x[choice.high[r]]
            if (
                x[choice.low[r]] > true
                or above + Fraction(float(choice.level[r])) < true
            ):
                return False
    return True


@pytest.mark.parametrize("dtype", PRECISIONS)
@pytest.mark.parametrize("fault", [None, "round_up"])
def test_maxima_hold(dtype, fault, monkeypatch):
    """And do not without rounding, in binary32 where that shows within 200 points."""
    rng = np.random.default_rng(3)
    lo = rng.normal(size=24).astype(dtype)
    hi = lo + np.abs(rng.normal(size=24)).astype(dtype)
    windows = np.concatenate([np.arange(24).reshape(8, 3), np.array([[0, 5, -1]])])
    if fault:
        monkeypatch.setattr(EXTREMES, fault, lambda x, ulps=0.5: x * (1 - 1e-5))
    with jax.enable_x64(PRECISIONS[dtype]):
        choice = choose(Interval(jnp.asarray(lo), jnp.asarray(hi)), windows)
        choice = jax.tree.map(np.asarray, choice)
    assert maximum_holds(choice, windows, lo, hi, rng) == (fault is None)


def test_the_largest_is_recognised_where_it_is_certain():
    x = Interval(jnp.array([0.0, 2.0, 1.0]), jnp.array([1.0, 3.0, 2.0]))
    choice = choose(x, np.array([[0, 1, 2]]))
    assert (int(choice.low[0]), int(choice.high[0])) == (1, 1)
    assert (float(choice.rise[0]), float(choice.level[0])) == (1, 0)


def test_a_window_of_padding_says_nothing():
    x = Interval(jnp.zeros(2), jnp.ones(2))
    choice = choose(x, np.array([[-1, -1]]))
    assert (float(choice.least[0]), float(choice.level[0])) == (-np.inf, np.inf)


assert flint.ctx.prec >= 128
