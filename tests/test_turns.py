"""How the searches of one question share its time."""

import time
from typing import Any

import pytest

from tests.search.faults import notices, planted
from torchlean_jax import _parts
from torchlean_jax.search import Branching, Search, _narrower


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


class Narrower(_narrower.Narrower):
    """Due once for each of some searches, when it has begun; done notes which."""

    def __init__(self, *hard):
        self.hard, self.done = list(hard), []

    def is_due(self, search):
        return search.goes_on and any(search is s and s.turns for s in self.hard)

    def narrow(self, is_over):
        due = next(s for s in self.hard if self.is_due(s))
        self.hard.remove(due)
        self.done.append(due)


def in_turns(searches, seconds, narrower: Any = None):
    start = time.perf_counter()
    course = _parts.Course(Branching(), start + seconds)
    slots, narrower = [None] * len(searches), narrower or Narrower()
    evidence = _parts._by_turns(searches, slots, course, None, narrower)
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


def a_hard_one_is_narrowed_and_goes_on():
    easy, hard = Needing(0.01), Needing(0.05)
    narrower = Narrower(hard)
    in_turns([easy, hard], 9.0, narrower)
    assert narrower.done == [hard] and not hard.goes_on and hard.turns == 2


CHECKS = [
    a_hard_one_is_narrowed_and_goes_on,
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
        ("pair[0].goes_on and not course.is_over", "False"),
        ("while waiting:", "if waiting:"),
        ("narrower.narrow(lambda: course.is_over)", "break"),
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
