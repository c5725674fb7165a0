"""Leaves shared by several processes, and leaves that are not derived, told by number.

The oracle is the check of all leaves in one process that ends at the first fault.
"""

import multiprocessing
from fractions import Fraction
from unittest.mock import Mock

import numpy as np
import pytest

import torchlean_check
from tests.search.faults import notices, planted
from tests.torchlean_check.builder import Certificate, leaf
from tests.torchlean_check.examples import EXAMPLES, dense, dyadic
from torchlean_check import MalformedCertificate, _jobs, _verdict
from torchlean_check.__main__ import main

LEAVES = 11


def cut(wrong=()) -> bytes:
    """x + -x > -2^-10 on parts of [-1, 1]; of the `wrong` ones, by intervals, which say
    no more than minus their width."""
    c = Certificate()
    x = c.box([-1.0], [1.0])
    c.output(dense(c, x, np.array([[1.0, -1.0]]), np.zeros(2)))
    c.property = c.rows([[1, 1]], [-(2.0**-10)])
    c.proof, waiting, number = [], [(-1.0, 1.0, LEAVES)], 0
    while waiting:
        lo, hi, count = waiting.pop()
        if count == 1:
            c.proof.append(leaf("ibp" if number in wrong else "crown"))
            number += 1
            continue
        at = (lo + hi) / 2
        c.proof.append({"split": {"value": x, "index": 0, "at": dyadic(at)}})
        waiting += [(at, hi, count - count // 2), (lo, at, count // 2)]
    return c.pack()


def said(report):
    return report.accepted, report.reason, report.margin_decimal


def check_turns(turns=3):
    """Each leaf is looked at in one turn of all, and told by its number."""
    assert all(_verdict.check_bytes(cut(), turn=(k, turns)).accepted for k in range(3))
    for wrong in range(LEAVES):
        blob = cut([wrong])
        whole = torchlean_check.check(blob)
        assert not whole.accepted and whole.leaves == wrong + 1
        found, missed = [], []
        for k in range(turns):
            found.append(_verdict.check_bytes(blob, missed=missed, turn=(k, turns)))
        rejected = [report for report in found if not report.accepted]
        assert missed == [wrong] and [r.reason for r in rejected] == [whole.reason]


def test_turns_have_each_leaf_once():
    check_turns()


@pytest.mark.parametrize("name", EXAMPLES)
def test_the_least_margin_of_all_turns_is_that_of_the_whole(name):
    blob = EXAMPLES[name]().pack()
    whole = torchlean_check.check(blob)
    found = [_verdict.check_bytes(blob, turn=(k, 3)) for k in range(3)]
    assert whole.accepted and all(report.accepted for report in found)
    margins = [_exact(r.margin) for r in found if r.margin is not None]
    assert min(margins) == _exact(whole.margin)


def _exact(margin) -> Fraction:
    m, e = margin
    return m * Fraction(2) ** e


@pytest.mark.parametrize(
    "sound, faulty",
    [
        ("or seen >= last", "or seen >= last - 1"),
        ("seen + below[place] <= first", "seen + below[place] <= first + 1"),
        ("missed.append(leaves - 1)", "missed.append(place)"),
    ],
)
def test_a_leaf_that_nobody_has_is_noticed(sound, faulty):
    with planted(_verdict, sound, faulty, keep=("Report",)):
        assert notices(check_turns)


def test_processes_say_what_one_says():
    for wrong in ((), (1, 5, 9)):
        blob, alone, together = cut(wrong), [], []
        one = torchlean_check.check(blob, missed=alone)
        two = torchlean_check.check(blob, missed=together, jobs=2)
        assert said(one) == said(two) and one.claim == two.claim
        assert alone == together == list(wrong)
        assert two.leaves == LEAVES


def test_bytes_that_are_no_certificate_are_refused_in_processes_too():
    with pytest.raises(MalformedCertificate, match="archive"):
        torchlean_check.check(cut()[:-1], jobs=2)


def test_a_process_that_dies_is_no_acceptance():
    def kill():
        for process in multiprocessing.active_children():
            process.kill()

    with pytest.raises(OSError, match="died"):
        torchlean_check.check(cut(), jobs=2, watch=kill)


def test_the_command_has_jobs(tmp_path, capsys, monkeypatch):
    right, wrong = tmp_path / "right.tlc", tmp_path / "wrong.tlc"
    right.write_bytes(cut())
    wrong.write_bytes(cut([5]))
    assert main(["--jobs", "2", str(right), str(wrong)]) == 1
    said = capsys.readouterr().out
    assert f"accepted  {right}" in said and f"rejected  {wrong}: proof[" in said
    died = OSError("a process of the check died")
    monkeypatch.setattr(_jobs, "wait", Mock(side_effect=died))
    assert main(["--jobs", "2", str(right)]) == 2
    assert f"{right}: a process of the check died" in capsys.readouterr().err


def test_a_check_in_processes_can_be_ended():
    class EndedError(Exception):
        pass

    def end():
        raise EndedError

    with pytest.raises(EndedError):
        torchlean_check.check(cut(), jobs=2, watch=end)
    assert not multiprocessing.active_children()
