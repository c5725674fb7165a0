"""Interval bounds of a network beside the range of its function, in exact rationals."""

import dataclasses
import functools
import itertools
import math
from fractions import Fraction

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import torchlean_jax as tl
from torchlean_jax.domains.interval import Interval
from torchlean_jax.science import _range_network, approximate_range
from torchlean_jax.science._blocks import largest_blocks


def wave(x):
    return jnp.sin(3 * x) + x / 2


@pytest.fixture(scope="module")
def found():
    return approximate_range(wave, -1.0, 4.0, 0.25)


def exact_bounds(network, lo, hi):
    """Textbook interval arithmetic on a box, node by node, without rounding."""
    exact = lambda array: [Fraction(v) for v in np.ravel(array).tolist()]
    shape = network.left.shape
    left, right = (
        np.reshape(exact(end), shape) for end in (network.left, network.right)
    )
    (step,), (base,), slope = map(exact, (network.step, network.base, network.slope))
    relu = lambda x: max(x, Fraction(0))
    axes = list(zip(slope, lo, hi, strict=True))

    def bump(k):
        """Its least and its greatest value."""
        falls = [
            [relu(s * (left[k, j] - x)) + relu(s * (y - right[k, j]))
             for j, (s, *ends) in enumerate(axes) for x, y in [ends[::way]]]
            for way in (1, -1)
        ]  # fmt: skip
        return [relu(1 - sum(fall)) for fall in falls]

    bumps = [bump(k) for k in range(shape[0])]
    least, most = base, base
    for row in np.asarray(network.levels):
        low, high = (sum(bumps[i][e] for i in np.flatnonzero(row)) for e in (0, 1))
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
        exact_bounds(found.network, [Fraction(a)], [Fraction(b)])
        for a, b in zip(lo.tolist(), hi.tolist(), strict=True)
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
            least, most = exact_bounds(found.network, [Fraction(a)], [Fraction(b)])
            assert Fraction(float(got.lo)) <= least and most <= Fraction(float(got.hi))
            assert float(got.lo) == pytest.approx(float(least), abs=1e-9)
            assert float(got.hi) == pytest.approx(float(most), abs=1e-9)


def saddle(x):
    """Its range on a box is a product of two: no variable is in both factors."""
    more = x[2] if len(x) == 3 else 1.0
    return (x[0] ** 2 - 0.5) * (x[1] * more)


def exact_range(lo, hi):
    """Of `saddle`, in rationals."""
    ends = lo[0] ** 2, hi[0] ** 2
    squares = (Fraction(0) if lo[0] < 0 < hi[0] else min(ends)), max(ends)
    factors = [[s - Fraction(1, 2) for s in squares], *zip(lo[1:], hi[1:], strict=True)]
    values = [math.prod(chosen) for chosen in itertools.product(*factors)]
    return min(values), max(values)


SADDLES = {2: ([-1.0, -1.0], [1.0, 1.5], 0.25), 3: ([-1.0] * 3, [1.0] * 3, 0.5)}


@functools.cache
def over(size):
    return approximate_range(saddle, *SADDLES[size])


def outside_by(found, count, seed=0):
    """By how much ends are beyond what is proved, at most; not above 0 if it holds."""
    rng, worst = np.random.default_rng(seed), []
    for _ in range(count):
        middle = rng.uniform(found.lo, found.hi)
        radius = 2.0 ** rng.uniform(-8, 1, len(middle))
        ends = (
            np.maximum(middle - radius, found.lo),
            np.minimum(middle + radius, found.hi),
        )
        lo, hi = ([Fraction(v) for v in end.tolist()] for end in ends)
        (l, u), (low, high) = exact_bounds(found.network, lo, hi), exact_range(lo, hi)
        below, above = Fraction(found.below), Fraction(found.above)
        worst += [low - below - l, l - low - above, high - below - u, u - high - above]
    return max(worst)


@pytest.mark.parametrize(("size", "count"), [(2, 60), (3, 12)])
def test_of_several_inputs_too_the_bounds_are_the_range(size, count):
    found, (lo, hi, eps) = over(size), SADDLES[size]
    assert max(found.below, found.above) <= eps and outside_by(found, count) <= 0
    lo, hi = ([Fraction(v) for v in end] for end in (lo, hi))
    (l, u), (low, high) = exact_bounds(found.network, lo, hi), exact_range(lo, hi)
    assert low - Fraction(eps) < l and u <= high + Fraction(eps)


def test_without_half_of_the_boxes_the_bounds_are_too_low(monkeypatch):
    """A planted fault: a box of cells that lies across two others would be in none."""
    every = _range_network.largest_blocks
    monkeypatch.setattr(_range_network, "largest_blocks", lambda c: every(c)[::2])
    assert outside_by(approximate_range(saddle, *SADDLES[2]), 60) > 0.05


def test_ramps_along_one_axis_that_are_too_wide_would_be_noticed():
    found = over(2)
    with jax.enable_x64(True):
        wide = found.network.slope / jnp.array([1.0, 16.0])
        wrong = dataclasses.replace(found.network, slope=wide)
    assert outside_by(dataclasses.replace(found, network=wrong), 60) > 0.05


def blocks_by_force(cells):
    """All boxes of cells in the set that are in no larger one."""
    pairs = [list(itertools.combinations(range(n + 1), 2)) for n in cells.shape]
    inside = [
        block for block in itertools.product(*pairs)
        if cells[tuple(slice(*pair) for pair in block)].all()
    ]  # fmt: skip
    holds = lambda big, small: all(
        a <= c and d <= b for (a, b), (c, d) in zip(big, small, strict=True)
    )
    return {x for x in inside if not any(y != x and holds(y, x) for y in inside)}


@pytest.mark.parametrize("shape", [(9,), (5, 6), (3, 4, 3)])
def test_largest_boxes_are_those_of_an_enumeration(shape):
    rng = np.random.default_rng(0)
    for share in (0.0, 0.5, 0.7, 0.9, 1.0):
        cells = rng.uniform(size=shape) < share
        found = largest_blocks(cells)
        assert len(found) == len(set(found)) and set(found) == blocks_by_force(cells)


def test_neighbours_over_a_corner_count():
    values = np.random.default_rng(1).normal(size=(4, 3, 5))
    every = list(np.ndindex(values.shape))
    near = [
        values[a] - values[b] for a in every for b in every
        if max(abs(np.subtract(a, b))) <= 1
    ]  # fmt: skip
    found = _range_network._difference(values, values, range(3))
    assert found == pytest.approx(max(near), abs=1e-12)


def test_flatter_steps_would_be_noticed(found):
    """Ramps of 16 cells reach boxes on which f stays below the level."""
    network = found.network
    with jax.enable_x64(True):
        flat = dataclasses.replace(network, slope=network.slope / 16)
    wrong = dataclasses.replace(found, network=flat)
    assert gaps(wrong)[1] > found.above + 0.01


def test_ramps_are_no_wider_than_cells(found):
    edges = [Fraction(v) for v in np.linspace(-1, 4, found.cells[0] + 1).tolist()]
    (slope,) = map(Fraction, found.network.slope.tolist())
    narrowest = min(b - a for a, b in zip(edges, edges[1:], strict=False))
    assert narrowest / 2 < 1 / slope <= narrowest


def test_a_constant_has_no_steps_but_its_value():
    found = approximate_range(lambda x: 0.0 * x + 0.5, 0.0, 1.0, 0.25)
    assert exact_bounds(found.network, [Fraction(0)], [Fraction(1)]) == (0.5, 0.5)


@pytest.mark.parametrize(
    ("f", "lo", "hi", "eps"),
    [
        (jnp.sin, 1.0, 1.0, 0.1),
        (jnp.sin, 0.0, np.inf, 0.1),
        (jnp.sin, 0.0, 1.0, 0.0),
        (jnp.sin, 0.0, 1.0, 1e-7),
        (jnp.sin, 1.0, 1.0 + 2.0**-50, 0.1),
        (jnp.sum, np.zeros(4), np.ones(4), 0.1),
        (jnp.sum, np.zeros(3), np.ones(3), 1e-3),
    ],
)
def test_questions_without_a_meaning_are_refused(f, lo, hi, eps):
    with pytest.raises(tl.InputError):
        approximate_range(f, lo, hi, eps)


def test_a_pole_is_named():
    with pytest.raises(tl.UndecidedError, match=r"no finite enclosure on the cell"):
        approximate_range(lambda x: 1 / x, -1.0, 1.0, 0.1)
