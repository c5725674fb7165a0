"""Corridors of y' = f(t, y): beside closed forms, and with planted faults."""

import contextlib
import json
import math
from fractions import Fraction

import numpy as np
import pytest

import torchlean_check
import torchlean_jax as tl
from torchlean_check._container import canonical_json
from torchlean_jax.science import HatNetwork, Spline, check_corridor, corridor

LOGISTIC = {(0, 1): 1, (0, 2): -1}


def logistic(t, y):
    return 1 / (1 + (1 / y - 1) * math.exp(-t))


@pytest.fixture(scope="module")
def found():
    return corridor(LOGISTIC, ("1/10", "1/10"), 8, pieces=16)


def test_the_closed_form_lies_in_the_corridor(found):
    assert found.status == "proved" and found.width < 1e-3
    for t in np.linspace(0, 8, 33):
        low, high = float(found.lower(t)), float(found.upper(t))
        assert low <= logistic(t, 0.1) <= high and high - low < 1e-2


def test_a_set_of_starts():
    both = corridor(LOGISTIC, ("1/10", "1/5"), 4, pieces=8)
    assert both.status == "proved"
    assert float(both.lower(4)) <= logistic(4, 0.1) < logistic(4, 0.2)
    assert logistic(4, 0.2) <= float(both.upper(4))


def test_a_field_that_depends_on_time():
    """y' = y + t from 0: y = e^t - t - 1."""
    driven = corridor({(0, 1): 1, (1, 0): 1}, (0, 0), 1, pieces=16)
    assert driven.status == "proved"
    assert float(driven.lower(1)) <= math.e - 2 <= float(driven.upper(1))
    assert driven.width < 1e-4


def test_networks_of_time_are_corridors_too():
    """0 and 1 bound the logistic equation, as networks with bent sides between."""
    one = np.float32(1)
    below = HatNetwork(one, one * 0, np.array([0.05, 0.05, 0.05], np.float32))
    above = HatNetwork(one, one * 0, np.array([0.5, 0.75, 1.0], np.float32))
    splines = [Spline.from_network(n) for n in (below, above)]
    assert splines[1].knots == (0, 1, 2) and splines[1](Fraction(1, 2)) == 0.625
    assert check_corridor(LOGISTIC, (0.1, 0.5), *splines).status == "proved"
    steep = HatNetwork(one, one * 0, np.array([0.5, 0.55, 1.0], np.float32))
    broken = check_corridor(
        LOGISTIC, (0.1, 0.5), splines[0], Spline.from_network(steep)
    )
    assert broken.status == "refuted" and "segment 0: upper'" in broken.reason


@pytest.mark.parametrize(
    ("lower", "upper", "start", "reason"),
    [
        ([[0]], [[2]], (0, 3), "starts"),
        ([[1]], [[0]], (0, 1), "lower > upper"),
        ([["1/2"]], [[1]], ("1/2", 1), ""),
        ([[0], [Fraction(1, 10)]], [[1], [1]], (0, 1), "chain"),
        ([[0], [0]], [[1], [Fraction(9, 10)]], (0, 1), "chain|segment"),
    ],
)
def test_what_is_no_corridor_is_refuted(lower, upper, start, reason):
    knots = list(range(len(lower) + 1))
    sides = Spline(knots, lower), Spline(knots, upper)
    answer = check_corridor(LOGISTIC, start, *sides)
    assert (answer.status == "proved") == (reason == "")
    if reason:
        assert any(r in answer.reason for r in reason.split("|"))


def test_other_ends_are_refuted():
    answer = check_corridor(
        LOGISTIC, (0, 1), Spline([0, 1], [[0]]), Spline([0, 2], [[1]])
    )
    assert answer.status == "refuted" and "different intervals" in answer.reason


def test_a_side_that_is_moved_towards_the_solution_is_noticed(found):
    """Below the solution no super-solution starts; and no other field has this one."""
    document = json.loads(found.document)
    changes = [
        lambda d: d["field"].__setitem__(0, [0, 1, "11/10"]),
        lambda d: d["field"].__setitem__(0, [0, 1, "9/10"]),
        lambda d: d.update(start=["1/10", "1/5"]),
        lambda d: d.update(lower=d["upper"], upper=d["lower"]),
        lambda d: d.update(version=2),
        lambda d: d["field"].append([0, 1, "1"]),
        lambda d: d["field"].append([-1, 0, "1"]),
        lambda d: d["field"].append([0, 99, "1"]),
        lambda d: d.update(field=[]),
        lambda d: d.pop("lower"),
        lambda d: d["upper"]["pieces"][3].__setitem__(1, "0"),
        lambda d: d["lower"]["pieces"][9].__setitem__(0, "1"),
    ]
    for change in changes:
        other = json.loads(found.document)
        change(other)
        with contextlib.suppress(torchlean_check.MalformedCertificate):
            assert not torchlean_check.check(canonical_json(other)).accepted
    assert torchlean_check.check(canonical_json(document)).accepted


@pytest.mark.parametrize(
    "wrong",
    [
        lambda: corridor(LOGISTIC, (1, 0), 1),
        lambda: corridor(LOGISTIC, (0, 1), 0),
        lambda: corridor(LOGISTIC, (0, math.nan), 1),
        lambda: corridor({}, (0, 1), 1),
        lambda: corridor({(0, 2): 1}, (1, 1), 2),
        lambda: corridor({(0, 99): 1}, (0, 0), 1, pieces=1),
    ],
)
def test_questions_without_a_meaning_are_refused(wrong):
    with pytest.raises(tl.InputError):
        wrong()
