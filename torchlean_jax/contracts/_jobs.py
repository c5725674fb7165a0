"""A check of many contracts, in several processes.

A job is a kernel with all that is asked of it, or, where one kernel is asked for, each
of its shapes: what bounds of one kernel have in common is traced once in a process. The
dearest kernels are taken first. Which process took what shows nowhere: clauses come in
the order of the jobs. A process that dies takes its job with it and no other one.
"""

import gc
import multiprocessing
import queue
import warnings
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, replace

from torchlean_jax.contracts._collection import contract
from torchlean_jax.contracts._report import Clause

# Measured: together nearly half of a check of everything.
_DEAREST = ("selective_scan", "attention")


@dataclass(frozen=True)
class Job:
    """What is asked of a kernel: the arguments of `Contract.check`, as names."""

    kernel: str
    shapes: tuple[str, ...]
    dtypes: tuple[str, ...]
    clauses: tuple[str, ...]

    def split(self) -> "list[Job]":
        """A job for each shape, and one for the edges, which have no shape."""
        rest = tuple(c for c in self.clauses if c != "edges")
        each = [replace(self, shapes=(s,), clauses=rest) for s in self.shapes if rest]
        edges = replace(self, shapes=(), clauses=("edges",))
        return [*each, *([edges] if "edges" in self.clauses else [])]


def split(jobs: Sequence[Job]) -> list[Job]:
    """The jobs, or if there is one alone, its parts."""
    return jobs[0].split() if len(jobs) == 1 else list(jobs)


def checked(job: Job) -> tuple[Clause, ...]:
    """The clauses of a job, decided in this process."""
    report = contract(job.kernel).check(
        shapes=job.shapes, dtypes=job.dtypes, clauses=job.clauses
    )
    return report.clauses


def in_processes(
    jobs: Sequence[Job],
    processes: int,
    work: Callable[[Job], tuple[Clause, ...]] = checked,
) -> Iterator[tuple[Clause, ...]]:
    """The clauses of each job, in the order of `jobs`, as soon as they are known.

    A job whose process dies has one clause, which fails and says so. Closing the
    iterator before its end waits for the jobs that have begun, and for no other.
    """
    idle: queue.SimpleQueue[_Process] = queue.SimpleQueue()
    for _ in range(min(processes, len(jobs))):
        idle.put(_Process())

    def done(job):
        process = idle.get()
        try:
            return process.run(work, job)
        finally:
            idle.put(process)

    threads = ThreadPoolExecutor(min(processes, len(jobs)) or 1)
    try:
        order = sorted(jobs, key=lambda job: job.kernel not in _DEAREST)
        futures: dict[Job, Future] = {job: threads.submit(done, job) for job in order}
        for job in jobs:
            yield futures[job].result()
    finally:
        threads.shutdown(cancel_futures=True)
        while not idle.empty():
            idle.get().end()


class _Process:
    """A process that outlives a job; a new one after it died."""

    def __init__(self):
        self.pool = self.started()

    @staticmethod
    def started() -> ProcessPoolExecutor:
        # not forked: JAX has threads, which a fork loses
        context = multiprocessing.get_context("spawn")
        return ProcessPoolExecutor(1, mp_context=context, initializer=_prepare)

    def run(self, work, job) -> tuple[Clause, ...]:
        try:
            return self.pool.submit(work, job).result()
        except BrokenProcessPool:
            self.end()
            self.pool = self.started()
            where = ", ".join(job.shapes) or "the edges"
            detail = (
                f"the process that checked {where} died, perhaps for want of memory"
            )
            clauses = " ".join(job.clauses)
            return (Clause(job.kernel, clauses, "", "", "", "fail", detail, 0.0),)

    def end(self):
        self.pool.shutdown(cancel_futures=True)


def _prepare():
    """As the command line has it: fewer collections, and no warnings of what a library
    deprecates."""
    gc.set_threshold(50_000)
    warnings.simplefilter("ignore", DeprecationWarning)
