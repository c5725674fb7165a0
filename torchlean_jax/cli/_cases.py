"""How far a check of many cases is: a bar on a terminal, elsewhere a line for each.

All of it goes to stderr: what was found is a report, and the same however fast its
cases came.
"""

import contextlib
import sys
import time
from collections.abc import Iterator

from torchlean_jax.cli._output import is_watched
from torchlean_jax.contracts import Clause, Question

_PATIENCE = 20.0  # seconds after which lines say what they wait for


class Lines:
    """A line for each case that ends, and after some silence one for those that have
    not."""

    def __init__(self, total: int):
        self.total, self.ended = total, 0
        self.running: dict[Question, float] = {}
        self.spoke = time.perf_counter()

    def begun(self, question: Question) -> None:
        self.running[question] = time.perf_counter()

    def decided(self, clause: Clause) -> None:
        self.ended += 1
        self.running.pop(clause.question, None)
        self.say(f"[{self.ended}/{self.total}] {_line(clause)}")

    def quiet(self) -> None:
        now = time.perf_counter()
        if now - self.spoke > _PATIENCE:
            waited = (f"{_name(q)} ({now - t:.0f} s)" for q, t in self.running.items())
            self.say(f"[{self.ended}/{self.total}] at {', '.join(waited)}")

    def say(self, text: str) -> None:
        self.spoke = time.perf_counter()
        print(text, file=sys.stderr, flush=True)


class Bar(Lines):
    """A bar with what is being decided; above it stays what did not pass."""

    def __init__(self, total: int, progress):
        super().__init__(total)
        self.progress, self.task = progress, progress.add_task("", total=total)

    def begun(self, question: Question) -> None:
        super().begun(question)
        self.show()

    def decided(self, clause: Clause) -> None:
        self.running.pop(clause.question, None)
        if clause.status != "pass":
            self.progress.console.print(_line(clause), markup=False, highlight=False)
        self.progress.advance(self.task)
        self.show()

    def quiet(self) -> None:
        pass

    def show(self) -> None:
        names = ", ".join(map(_name, self.running))
        self.progress.update(self.task, description=names)


@contextlib.contextmanager
def shown(total: int) -> Iterator[Lines]:
    """What to tell of each case that is begun or decided, and of each quiet moment."""
    try:
        from rich import console, progress
    except ModuleNotFoundError:
        yield Lines(total)
        return
    if not is_watched():
        yield Lines(total)
        return
    columns = progress.BarColumn(20), progress.MofNCompleteColumn()
    times = progress.TimeElapsedColumn(), progress.TextColumn("{task.description}")
    stderr = console.Console(stderr=True)
    with progress.Progress(*columns, *times, console=stderr, transient=True) as bar:
        yield Bar(total, bar)


def _name(question: Question) -> str:
    return f"{question.clause} of {question.where}"


def _line(clause: Clause) -> str:
    passed = f"{clause.status:8s} {_name(clause)} ({clause.seconds:.1f} s)"
    return passed if clause.status == "pass" else f"{passed}: {clause.detail}"
