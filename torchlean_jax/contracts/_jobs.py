"""A check of many contracts, in several processes, each clause told as it is decided.

A job is what is asked of a kernel at one shape: what bounds of one kernel have in
common is traced once in a process, so a process goes on with the kernel that it has,
then with one that no other process has. A process that dies fails the clause that it
was deciding, by name; another one goes on after it.

The processes are not those of a pool: a pool says nothing before a job has ended, and
loses a whole job with the process.
"""

import contextlib
import gc
import multiprocessing
import signal
import time
import warnings
from collections import deque
from collections.abc import Callable, Generator, Sequence
from multiprocessing.connection import wait

from torchlean_jax.contracts._collection import contract
from torchlean_jax.contracts._report import Clause, Question

Decide = Callable[[Question], Clause]
# What happens: a question is begun, a clause is decided, or nothing for so long.
Event = Question | Clause | None
Events = Generator[Event, None, None]
QUIET = 0.5


def decided(question: Question) -> Clause:
    """The answer to a question about a kernel of ours, found in this process."""
    return contract(question.kernel).answer(question)


def one_by_one(questions: Sequence[Question], decide: Decide) -> Events:
    """Each question as it is begun and its clause when it is decided, here."""
    for question in questions:
        yield question
        yield decide(question)


def in_processes(
    questions: Sequence[Question], processes: int, decide: Decide = decided
) -> Events:
    """Each question as it is begun and its clause when it is decided, in whatever order
    that happens; None where nothing happened for half a second.

    Closing the iterator ends the processes, whatever they are at. They do not hear
    Ctrl-C themselves.

    Raises: ChildProcessError if a process ends before it is asked anything.
    """
    waiting = _jobs(questions)
    idle: list[_Worker] = []
    workers: list[_Worker] = []
    try:
        while waiting or any(worker.left for worker in workers):
            while waiting and (idle or len(workers) < processes):
                if not idle:
                    idle.append(_Worker(decide))
                    workers += idle
                worker = idle.pop()
                busy = {w.kernel for w in workers if w.left}
                worker.take(waiting.pop(_chosen(waiting, worker.kernel, busy)))
            asked = [worker for worker in workers if worker.left]
            heard = wait([worker.connection for worker in asked], QUIET)
            if not heard:
                yield None
            for worker in (w for w in asked if w.connection in heard):
                yield worker.heard()
                if worker.is_dead:
                    workers.remove(worker)
                    waiting[:0] = [worker.left] if worker.left else []
                elif not worker.left:
                    idle.append(worker)
    finally:
        for worker in workers:
            worker.end()


def _jobs(questions) -> list[deque[Question]]:
    """The questions of each kernel and shape; what has no shape is a job as well."""
    of_place: dict[tuple[str, str], deque[Question]] = {}
    for question in questions:
        place = question.kernel, question.shape
        of_place.setdefault(place, deque()).append(question)
    return list(of_place.values())


def _chosen(waiting, kernel: str | None, busy) -> int:
    """Which job a process that had `kernel` takes, while others have those in `busy`:
    of its own kernel, else of one that nobody has, else any; the longest first."""

    def preference(number):
        first = waiting[number][0]
        return first.kernel != kernel, first.kernel in busy, -len(waiting[number])

    return min(range(len(waiting)), key=preference)


class _Worker:
    """A process that answers questions one after the other. `left`: those that it has
    not answered; the first is the one that it is at."""

    def __init__(self, decide: Decide):
        # not forked: JAX has threads, which a fork loses
        context = multiprocessing.get_context("spawn")
        self.connection, theirs = context.Pipe()
        self.process = context.Process(
            target=_serve, args=(theirs, decide), daemon=True
        )
        with _no_interrupts():
            self.process.start()
        theirs.close()  # or its end would not be heard
        self.left: deque[Question] = deque()
        self.kernel = ""
        self.is_dead = self.began = False
        self.since = time.perf_counter()

    def take(self, job: deque[Question]) -> None:
        self.left, self.kernel = job, job[0].kernel
        with contextlib.suppress(BrokenPipeError):  # that it died is heard below
            self.connection.send(tuple(job))

    def heard(self) -> Event:
        """The question that it begins, or the clause that it decided; one that fails
        if it died."""
        try:
            event = self.connection.recv()
        except (EOFError, ConnectionResetError):
            return self.last_words()
        if isinstance(event, Clause):
            self.left.popleft()
        else:
            self.began, self.since = True, time.perf_counter()
        return event

    def last_words(self) -> Clause:
        self.is_dead = True
        self.end()
        code = self.process.exitcode
        if not self.began:
            raise ChildProcessError(
                f"a process for deciding clauses ended with code {code} at the start "
                "(why is said above); --jobs 1 needs none"
            )
        detail = f"the process that was deciding this died with code {code}"
        if code == -signal.SIGKILL:
            detail += ", perhaps for want of memory"
        seconds = time.perf_counter() - self.since
        return self.left.popleft().answered("fail", detail, seconds)

    def end(self) -> None:
        """One that waits for a job ends when it hears that there is none."""
        self.connection.close()
        if self.left and not self.is_dead:
            self.process.terminate()
        self.process.join()


@contextlib.contextmanager
def _no_interrupts():
    """What is started here is deaf to Ctrl-C, which a terminal sends to all processes
    that it started; this one hears it afterwards."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _serve(connection, decide: Decide) -> None:
    """As the command line has it: fewer collections, and no warnings of what a library
    deprecates."""
    gc.set_threshold(50_000)
    warnings.simplefilter("ignore", DeprecationWarning)
    with contextlib.suppress(EOFError, BrokenPipeError):  # nobody asks or listens
        while True:
            for question in connection.recv():
                connection.send(question)
                connection.send(decide(question))
