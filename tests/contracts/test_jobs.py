"""A check in several processes says what a check in one says, and who died."""

import os

import pytest

from torchlean_jax.contracts import CLAUSES, contract
from torchlean_jax.contracts._jobs import Job, checked, in_processes, split

ROW = {"shapes": ("one",), "dtypes": ("float32",), "clauses": ("memory",)}
JOBS = [Job("softmax", **ROW), Job("rms_norm", **ROW), Job("rope", **ROW)]


def dies_of_the_second(job):
    if job.kernel == "rms_norm":
        os._exit(3)
    return checked(job)


@pytest.fixture(scope="module")
def with_a_death():
    return list(in_processes(JOBS, 2, dies_of_the_second))


def test_clauses_come_in_the_order_of_jobs(with_a_death):
    """And with what a check here says: of all but the seconds."""
    for job, found in zip(JOBS, with_a_death, strict=True):
        if job.kernel == "rms_norm":
            continue
        expected = contract(job.kernel).check(**ROW).clauses
        assert [str(c) for c in found] == [str(c) for c in expected]


def test_a_process_that_dies_fails_its_job_by_name(with_a_death):
    (clause,) = with_a_death[1]
    assert (clause.kernel, clause.status) == ("rms_norm", "fail")
    assert "checked one died" in clause.detail


def test_what_a_job_raises_is_raised_here():
    unknown = Job("no_such_kernel", **ROW)
    with pytest.raises(Exception, match="no kernel is called"):
        list(in_processes([unknown], 1))


def test_parts_ask_what_the_whole_asks():
    asked = contract("rms_norm").asked(dtypes=["float32"])
    parts = split([Job("rms_norm", **asked)])
    questions = {(s, c) for p in parts for s in p.shapes or ("",) for c in p.clauses}
    rest = set(CLAUSES) - {"edges"}
    expected = {(s, c) for s in asked["shapes"] for c in rest} | {("", "edges")}
    assert questions == expected
    assert len(parts) == len(asked["shapes"]) + 1
    assert split(JOBS) == JOBS
