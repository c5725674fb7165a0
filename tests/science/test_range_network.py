"""Interval bounds of a network beside the range of its function, in exact rationals."""

import dataclasses
from fractions import Fraction

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import torchlean_jax as tl
from torchlean_jax.domains.interval import Interval
from torchlean_jax.science import approximate_range


def wave(x):
    return jnp.sin(3 * x) + x / 2


@pytest.fixture(scope="module")
def found():
    return approximate_range(wave, -1.0, 4.0, 0.25)


def exact_bounds(network, lo: Fraction, hi: Fraction):
    """Textbook interval arithmetic, node by node, without rounding."""
    left, right = (
        [Fraction(float(v)) for v in e] for e in (network.left, network.right)
    )
    slope, step, base = (
        Fraction(float(v)) for v in (network.slope, network.step, network.base)
    )
    relu = lambda x: max(x, Fraction(0))
    least, most = base, base
    for row in np.asarray(network.levels):
        low = high = Fraction(0)
        for i in np.flatnonzero(row):
            first = relu(slope * (left[i] - hi)), relu(slope * (left[i] - lo))
            second = relu(slope * (lo - right[i])), relu(slope * (hi - right[i]))
            low += relu(1 - first[1] - second[1])
            high += relu(1 - first[0] - second[0])
        least += step * (1 - relu(1 - low))
        most += step * (1 - relu(1 - high))
    return least, most


def ranges(lo, hi):
    """Least and largest value of `wave`, by numpy, at 2,001 points of boxes."""
    x = np.linspace(lo, hi, 2001)
    values = np.sin(3 * x) + x / 2
    return values.min(axis=0), values.max(axis=0)


def boxes(count=150):
    rng = np.random.default_rng(0)
    middle, radius = rng.uniform(-1, 4, count), 2.0 ** rng.uniform(-12, 2, count)
    lo, hi = np.maximum(middle - radius, -1), np.minimum(middle + radius, 4)
    return np.append(lo, [-1.0, -1.0, 4.0]), np.append(hi, [4.0, -1.0, 4.0])


def gaps(found):
    """How far the ends are beyond the range of f, at most, and within, at most."""
    lo, hi = boxes()
    pairs = [
        exact_bounds(found.network, *map(Fraction, box))
        for box in zip(lo.tolist(), hi.tolist(), strict=True)
    ]
    least, most = np.array(pairs, float).T
    low, high = ranges(lo, hi)
    return max((low - least).max(), (high - most).max()), max(
        (least - low).max(), (most - high).max()
    )


def test_on_every_box_the_bounds_are_the_range(found):
    # of 2,001 points of [-1, 4] one is within 0.00125 of a minimum: |f''| <= 9
    slack = 9 * 0.00125**2
    below, above = gaps(found)
    assert found.below <= 0.25 and found.above <= 0.25
    assert -0.25 < below < found.below + slack and above <= found.above + slack
    assert below > 0.5 * found.below  # a bound that says something


def test_it_is_what_bounds_by_intervals_give(found):
    with jax.enable_x64(True):
        bounded = jax.jit(tl.bounds(found.network, method="ibp"))
        for a, b in ((-0.5, 0.25), (1.0, 1.0), (-1.0, 4.0)):
            box = Interval(jnp.float64(a), jnp.float64(b))
            got = bounded(box)
            least, most = exact_bounds(found.network, Fraction(a), Fraction(b))
            assert Fraction(float(got.lo)) <= least and most <= Fraction(float(got.hi))
            assert float(got.lo) == pytest.approx(float(least), abs=1e-9)
            assert float(got.hi) == pytest.approx(float(most), abs=1e-9)


def test_flatter_steps_would_be_noticed(found):
    """Ramps of 16 cells reach boxes on which f stays below the level."""
    network = found.network
    with jax.enable_x64(True):
        flat = dataclasses.replace(network, slope=network.slope / 16)
    wrong = dataclasses.replace(found, network=flat)
    assert gaps(wrong)[1] > found.above + 0.01


def test_ramps_are_no_wider_than_cells(found):
    edges = [Fraction(v) for v in np.linspace(-1, 4, found.cells + 1).tolist()]
    slope = Fraction(float(found.network.slope))
    narrowest = min(b - a for a, b in zip(edges, edges[1:], strict=False))
    assert narrowest / 2 < 1 / slope <= narrowest


def test_a_constant_has_no_steps_but_its_value():
    found = approximate_range(lambda x: 0.0 * x + 0.5, 0.0, 1.0, 0.25)
    assert exact_bounds(found.network, Fraction(0), Fraction(1)) == (0.5, 0.5)


@pytest.mark.parametrize(
    ("f", "lo", "hi", "eps"),
    [
        (jnp.sin, 1.0, 1.0, 0.1),
        (jnp.sin, 0.0, np.inf, 0.1),
        (jnp.sin, 0.0, 1.0, 0.0),
        (jnp.sin, 0.0, 1.0, 1e-7),
        (jnp.sin, 1.0, 1.0 + 2.0**-50, 0.1),
        (jnp.sum, np.zeros(2), np.ones(2), 0.1),
    ],
)
def test_questions_without_a_meaning_are_refused(f, lo, hi, eps):
    with pytest.raises(tl.InputError):
        approximate_range(f, lo, hi, eps)


def test_a_pole_is_named():
    with pytest.raises(tl.UndecidedError, match=r"no finite enclosure on the cell"):
        approximate_range(lambda x: 1 / x, -1.0, 1.0, 0.1)
