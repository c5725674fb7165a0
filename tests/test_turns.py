"""How the searches of one question share its time."""

import time

import pytest

from tests.search.faults import notices, planted
from torchlean_jax import _parts
from torchlean_jax.search import Branching, Search


class Needing(Search):
    """A search that ends once it has run for so many seconds, in steps of a few ms."""

    def __init__(self, needs, evidence=None):
        self.left, self.evidence, self.turns = needs, evidence, 0

    @property
    def goes_on(self):
        return self.left > 0

    def run(self, stop, refutes, watch=None):
        self.turns += 1
        while self.goes_on and not stop():
            began = time.perf_counter()
            time.sleep(0.005)
            self.left -= time.perf_counter() - began
        return None if self.goes_on else self.evidence


def in_turns(searches, seconds):
    start = time.perf_counter()
    course = _parts.Course(Branching(), start + seconds)
    slots = [None] * len(searches)
    evidence = _parts._by_turns(searches, slots, course, None)
    return evidence, time.perf_counter() - start


def a_hard_one_leaves_time_to_those_after_it():
    endless, easy = Needing(1e9), Needing(0.02)
    evidence, took = in_turns([endless, easy], 1.0)
    assert evidence is None and not easy.goes_on
    assert 0.95 < took < 5


def what_is_not_needed_goes_to_the_hard_one():
    hard, *easy = [Needing(0.8), Needing(0.0), Needing(0.0), Needing(0.0)]
    in_turns([hard, *easy], 2.0)
    assert not hard.goes_on and hard.turns == 2


CHECKS = [
    a_hard_one_leaves_time_to_those_after_it,
    what_is_not_needed_goes_to_the_hard_one,
]


@pytest.mark.parametrize("check", CHECKS)
def test_time_is_shared(check):
    check()


@pytest.mark.parametrize(
    ("sound", "faulty"),
    [
        (" / (len(waiting) - place)", ""),
        ("late.append((search, slot))", "pass"),
        ("while waiting:", "if waiting:"),
    ],
)
def test_a_fault_is_noticed(sound, faulty):
    with planted(_parts, sound, faulty, keep=("Course",)):
        assert any(notices(check) for check in CHECKS)


def test_evidence_ends_all():
    last = Needing(0.0)
    evidence, _ = in_turns([Needing(0.0), Needing(0.0, {"status": "refuted"}), last], 9)
    assert evidence == {"status": "refuted"} and last.turns == 0


def test_without_a_limit_each_runs_to_its_end():
    searches = [Needing(0.02), Needing(0.01)]
    assert in_turns(searches, float("inf"))[0] is None
    assert [s.turns for s in searches] == [1, 1]
