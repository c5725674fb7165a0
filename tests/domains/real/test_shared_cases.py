"""The containment cases of the interval domain, at points: every one must be exact.

Their oracles (fractions, Arb, loops over elements) know nothing of either domain, and
cover layout, indexing, reductions, contractions, sorting, pooling and transforms.
"""

import numpy as np
import pytest

import torchlean_jax as tl
from tests.domains.interval import exact
from tests.domains.interval.all_cases import CASES as SHARED
from tests.domains.interval.cases import Case, Float
from tests.domains.real.agreement import DOMAIN, disagreements, run

# What rounds to a format, memory nobody wrote, and writes that collide.
NOT_REAL = {
    *("reduce_precision_bf16", "reduce_precision_half", "empty"),
    *("scatter", "scatter_undecided"),
}


def is_about_floats(case: Case) -> bool:
    """Integers run as they are, and an error of theirs is none of ours."""
    return any(isinstance(i, Float) for i in case.inputs)


CASES = [c for c in SHARED if is_about_floats(c) and c.name not in NOT_REAL]


def at_points(case, seed):
    """What does not agree when `case` runs at points drawn from a seed."""
    points = [lo[0] for lo, _ in case.draw(seed, np.float32, 1)]
    if case.direct is None:
        result = run(case.f, *points)
    else:
        rule = DOMAIN.rules.find(case.direct)
        result = rule.function(*map(tl.Real.lift, points))
    return disagreements(result, case.exact(*map(exact.fractions, points)))


@pytest.mark.parametrize("case", CASES, ids=str)
def test_it_agrees_at_points(case):
    for seed in range(2):
        assert not at_points(case, seed)


def test_what_is_left_out_exists():
    assert {case.name for case in SHARED} >= NOT_REAL
