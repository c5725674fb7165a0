"""Leaves of one certificate checked by several processes, each with its turn.

The turns of `_verdict` have each leaf of a tree once. Every process reads and judges
the whole file; the certificate is accepted if all of them accept their leaves.
"""

import multiprocessing
import signal
import time
from multiprocessing.connection import wait
from typing import Any

from torchlean_check import _matrices
from torchlean_check._claim import least
from torchlean_check._errors import CertificateError
from torchlean_check._report import Report, to_decimal
from torchlean_check._verdict import check_bytes

_LOOK = 0.2  # seconds between two calls of `watch`


def check_in_turns(blob: bytes, jobs: int, watch, missed, arithmetic: str) -> Report:
    """As `check_bytes`, by `jobs` processes; OSError if one of them dies."""
    start = time.perf_counter()
    context = multiprocessing.get_context("spawn")  # threads of ours do not fork
    processes: list = []
    ends: dict[Any, int] = {}  # pipe -> turn
    answers: list = [None] * jobs
    try:
        for k in range(jobs):
            ours, theirs = context.Pipe(duplex=False)
            given = theirs, blob, (k, jobs), missed is not None, arithmetic
            processes.append(context.Process(target=_answer, args=given, daemon=True))
            processes[-1].start()
            theirs.close()
            ends[ours] = k
        while ends:
            watch()
            ready: list[Any] = wait(list(ends), _LOOK)
            for end in ready:
                try:
                    answers[ends.pop(end)] = end.recv()
                except EOFError:
                    raise OSError("a process of the check died") from None
                finally:
                    end.close()
    finally:
        for end in ends:
            end.close()
        for process in processes:
            process.terminate()
            process.join()
    return _together(answers, missed, time.perf_counter() - start)


def _answer(end, blob: bytes, turn, is_listed: bool, arithmetic: str) -> None:
    """What a process of the check does: its turn, told through the pipe."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for whoever waits
    missed: list[int] | None = [] if is_listed else None
    try:
        with _matrices.arithmetic(arithmetic):
            found = check_bytes(blob, missed=missed, turn=turn), missed
    except CertificateError as error:
        found = error
    end.send(found)
    end.close()


def _together(answers: list, missed: list[int] | None, seconds: float) -> Report:
    """One report of those of all turns."""
    for answer in answers:
        if isinstance(answer, CertificateError):  # all read the same bytes
            raise answer
    reports = [report for report, _ in answers]
    if missed is not None:
        missed += [leaf for _, found in answers for leaf in found]
    margins = [report.margin for report in reports if report.margin is not None]
    margin = least(margins) if margins else None
    rejected = [report for report in reports if not report.accepted]
    return (rejected or reports)[0]._replace(
        margin=margin, margin_decimal=to_decimal(margin), seconds=seconds
    )
