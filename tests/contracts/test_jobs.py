"""A check in several processes says, as it goes, what a check in one says, and who
died."""

import multiprocessing
import os
import time
from collections import deque

import pytest

from torchlean_jax.contracts import CLAUSES, Clause, Question, contract
from torchlean_jax.contracts._jobs import _chosen, _jobs, in_processes, one_by_one


def asked(kernel, *programs, shape="one"):
    return [Question(kernel, "memory", name, shape, "float32") for name in programs]


def planted(question):
    """Decides by the name of the program alone."""
    if question.program == "dies":
        os._exit(3)
    if question.program == "hangs":
        time.sleep(600)
    status = "fail" if question.program == "fails" else "pass"
    return question.answered(status, f"decided in {os.getpid()}", 0.0)


PLANTED = [
    *asked("first", "a", "dies", "b", "fails"),
    *asked("second", "c", "d"),
    *asked("third", "e"),
]


@pytest.fixture(scope="module")
def events():
    return [event for event in in_processes(PLANTED, 2, planted) if event is not None]


def test_each_question_is_begun_and_then_answered_once(events):
    answers = [event for event in events if isinstance(event, Clause)]
    assert sorted(map(str, (a.question for a in answers))) == sorted(map(str, PLANTED))
    for answer in answers:
        assert events.index(answer.question) < events.index(answer)


def test_a_death_fails_one_clause_by_name_and_no_other(events):
    answers = {e.program: e for e in events if isinstance(e, Clause)}
    failed = {name for name, answer in answers.items() if answer.status == "fail"}
    assert failed == {"dies", "fails"}
    assert (
        answers["dies"].detail == "the process that was deciding this died with code 3"
    )
    # what came after it was decided by another process, what it had found is kept
    assert answers["a"].detail != answers["b"].detail


def test_several_processes_work(events):
    """Each was given a job before one had answered anything."""
    by = {e.program: e.detail for e in events if isinstance(e, Clause)}
    assert by["a"] != by["c"]


def test_clauses_are_those_of_a_check_here():
    about = {"shapes": ["one"], "dtypes": ["float32"], "clauses": ["memory"]}
    expected = [str(c) for c in contract("softmax").check(**about).clauses]
    questions = contract("softmax").questions(**about)
    found = {e.question: e for e in in_processes(questions, 1) if isinstance(e, Clause)}
    assert [str(found[question]) for question in questions] == expected


class _EndsWhereItIsRead:
    """Something that a process cannot even be given."""

    def __reduce__(self):
        return os._exit, (5,)

    def __call__(self, question: Question) -> Clause:
        return planted(question)


def test_a_process_that_does_not_start_is_no_failing_clause():
    with pytest.raises(ChildProcessError, match="code 5 at the start"):
        list(in_processes(PLANTED, 1, _EndsWhereItIsRead()))


def test_closing_ends_the_processes_whatever_they_are_at():
    start = time.perf_counter()
    running = in_processes(asked("first", "hangs"), 1, planted)
    while not isinstance(next(running), Question):
        pass
    running.close()
    assert not multiprocessing.active_children()
    assert time.perf_counter() - start < 300  # it would hang for 600


def test_a_process_keeps_its_kernel_then_takes_what_nobody_has():
    waiting = [
        deque(asked("others", "a", "b", "c")),
        deque(asked("free", "a")),
        deque(asked("mine", "a")),
        deque(asked("mine", "a", "b")),
    ]
    order = []
    while waiting:
        job = waiting.pop(_chosen(waiting, "mine", {"others"}))
        order.append((job[0].kernel, len(job)))
    assert order == [("mine", 2), ("mine", 1), ("free", 1), ("others", 3)]


def test_jobs_and_questions_are_what_a_contract_asks():
    every = contract("rms_norm").questions()
    places = [{(q.kernel, q.shape) for q in job} for job in _jobs(every)]
    assert all(len(place) == 1 for place in places)
    assert sorted(map(str, (q for job in _jobs(every) for q in job))) == sorted(
        map(str, every)
    )
    assert {q.clause for q in every} == set(CLAUSES) - {"determinism"}
    here = list(one_by_one(every[:2], planted))
    assert [here[0], here[2]] == every[:2]
    assert [here[1].question, here[3].question] == every[:2]
