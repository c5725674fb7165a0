"""What a trim cuts off is proved by the linear forms it was given: against fractions.

The rows of the property are the forms themselves, so that the exact least value of the
property on a side is known from its corners.
"""

import itertools
from fractions import Fraction

import numpy as np
import pytest

from tests.search.faults import notices, planted
from torchlean_jax.search import _trims
from torchlean_jax.spec import combine

ROW = [("rows", k, k + 1) for k in range(4)]
SHAPES = {
    "one row": ROW[0],
    "all": ("rows", 0, 3),
    "any": ("any", (ROW[0], ROW[1], ROW[2])),
    "mixed": ("all", (("any", (ROW[0], ("rows", 1, 3))), ROW[3])),
}
COUNT, ROWS, DIMENSIONS = 40, 4, 3


def problem(seed):
    """Boxes, and forms a . x + c with what each is at least there, rounded down."""
    random = np.random.default_rng(seed)
    lo = random.integers(-8, 8, (COUNT, DIMENSIONS)) / 4
    hi = lo + random.integers(1, 9, lo.shape) / 8
    forms = random.integers(-3, 4, (COUNT, ROWS, DIMENSIONS)) * random.choice(
        [1, 1, 1e-3], (COUNT, ROWS, 1)
    )
    reach = np.where(forms > 0, lo[:, None], hi[:, None])
    least = random.normal(size=(COUNT, ROWS)) - 0.3
    constants = [
        [
            Fraction(low) - sum(map(lambda a, x: Fraction(a) * Fraction(x), form, at))
            for low, form, at in zip(*each, strict=True)
        ]
        for each in zip(least.tolist(), forms.tolist(), reach.tolist(), strict=True)
    ]
    rows = {"lo": lo, "hi": hi}
    return rows, {"forms": forms.astype(float), "least": least}, constants


def value_at(shape, forms, constants, x):
    values = [
        sum((Fraction(a) * v for a, v in zip(form, x, strict=True)), c)
        for form, c in zip(forms.tolist(), constants, strict=True)
    ]
    return combine(shape, values, min, max)


def check_what_is_cut_off(shape, seeds=range(2)):
    """At corners and middles of what is cut off, the property holds by the margin that
    was said. How many boxes were cut."""
    cut = 0
    for seed, axis, side in itertools.product(seeds, range(DIMENSIONS), (0, 1)):
        rows, extra, constants = problem(seed)
        which, at, margin = _trims.ends(shape, rows, extra, axis, side)
        cut += len(which)
        for k, t, m in zip(which, at.tolist(), margin.tolist(), strict=True):
            lo, hi = rows["lo"][k].tolist(), rows["hi"][k].tolist()
            assert lo[axis] < t < hi[axis] and m > 0
            removed = (t, hi[axis]) if side == 0 else (lo[axis], t)
            left = (t - lo[axis]) if side == 0 else (hi[axis] - t)
            assert left <= 0.75 * (hi[axis] - lo[axis]) * (1 + 1e-12)
            ends = list(zip(lo, hi, strict=True))
            ends[axis] = removed
            points = [[Fraction(a), Fraction(b)] for a, b in ends]
            points = [[*pair, sum(pair) / 2] for pair in points]
            for x in itertools.product(*points):
                found = value_at(shape, extra["forms"][k], constants[k], x)
                assert found >= Fraction(m)
    return cut


@pytest.mark.parametrize("name", SHAPES)
def test_what_is_cut_off_is_proved(name):
    assert check_what_is_cut_off(SHAPES[name]) > 5


@pytest.mark.parametrize(
    "sound, faulty",
    [
        ("-1 if open_side else 1", "1"),
        ("at = hi - far if open_side else lo + far", "at = lo + far"),
        ("(hi[which] - at) if open_side else (at - lo[which])", "hi[which] - at"),
        (
            "margin = combine(shape, beyond.T, _least, _greatest)",
            "margin = combine(shape, beyond.T, _greatest, _greatest)",
        ),
        ("least + np.maximum(gained, 0)", "least + 1.25 * np.maximum(gained, 0)"),
    ],
)
def test_a_wrong_cut_is_noticed(sound, faulty):
    with planted(_trims, sound, faulty):
        assert any(notices(check_what_is_cut_off, shape) for shape in SHAPES.values())


def test_forms_that_are_no_numbers_cut_nothing():
    rows, extra, _ = problem(0)
    for value in (np.nan, np.inf, -np.inf):
        broken = {name: np.full_like(array, value) for name, array in extra.items()}
        if value == np.inf:
            broken["least"][:] = -1.0
        assert not len(_trims.ends(SHAPES["all"], rows, broken, 0, 0)[0])
