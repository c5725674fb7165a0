"""A card: one real bug, the smallest program with it, and the check that catches it.

What a card says is data; that the check catches the faulty program and passes the fixed
one is run, by `Card.run`, in CI as well as by `torchlean bugzoo run`.
"""

import importlib.metadata
import importlib.util
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal

from torchlean_jax.domains._errors import InputError

Outcome = Literal["ruled out by types", "checked", "assumed", "proved"]
OUTCOMES: tuple[Outcome, ...] = ("ruled out by types", "checked", "assumed", "proved")
THREAD = "https://github.com/{0}/issues/{1}"


@dataclass(frozen=True)
class Finding:
    """What a check said of one program.

    `passed`: the program keeps the contract, as far as the check can tell.
    `witness`: what the check exhibits, in one or a few lines: the input, the element
    and both values where the contract is broken, or what was established if it holds.
    `table`: rows of a small table for the page, the first one its head, where numbers
    say more than words.
    """

    passed: bool
    witness: str
    table: tuple[tuple[str, ...], ...] = ()


@dataclass(frozen=True)
class Report:
    """A public thread in which the bug, or its like, was reported."""

    repository: str
    number: int

    @classmethod
    def parse(cls, text: str) -> "Report":
        """`owner/name#number` as a report."""
        repository, mark, number = text.partition("#")
        if not mark or repository.count("/") != 1 or not number.isdigit():
            raise InputError(f"a report is given as owner/name#number, not {text!r}")
        return cls(repository, int(number))

    @property
    def address(self) -> str:
        return THREAD.format(self.repository, self.number)

    def __str__(self) -> str:
        return f"{self.repository}#{self.number}"


@dataclass(frozen=True)
class Card:
    """One bug of the zoo.

    `faulty` and `fixed` are programs, written out: the page shows their source.
    `examine` asks the contract of one of them, through the call named in `check`, and
    may not know which one it was given. `requires` names the packages that are imported
    beside JAX; where the bug lives in a released library, `faulty` calls that library,
    and `library` names its distribution, so that results say which version was run.
    """

    name: str
    title: str
    family: str
    story: str
    contract: str
    check: str
    faulty: Callable[..., Any]
    fixed: Callable[..., Any]
    examine: Callable[[Callable[..., Any]], Finding]
    outcome: Outcome = "checked"
    reports: tuple[str, ...] = ()
    sources: tuple[str, ...] = ()
    library: str | None = None
    requires: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for report in self.reports:
            Report.parse(report)

    def missing(self) -> tuple[str, ...]:
        """The packages that this card needs and that are not installed."""
        return tuple(n for n in self.requires if importlib.util.find_spec(n) is None)

    def version(self) -> str | None:
        """The released library that has the bug, with the version that is run."""
        if self.library is None:
            return None
        return f"{self.library} {importlib.metadata.version(self.library)}"

    def run(self) -> "Result":
        """Examine the faulty and the fixed program."""
        started = time.perf_counter()
        missing = self.missing()
        if missing:
            return Result(self, None, None, 0.0, f"needs {', '.join(missing)}")
        faulty = self.examine(self.faulty)
        fixed = self.examine(self.fixed)
        return Result(self, faulty, fixed, time.perf_counter() - started)


@dataclass(frozen=True)
class Result:
    """What a card's check said of both programs; None, and the `problem` why, where
    nothing was said: packages are missing, or the check itself stopped."""

    card: Card
    faulty: Finding | None
    fixed: Finding | None
    seconds: float = field(compare=False)
    problem: str | None = None

    @property
    def ran(self) -> bool:
        return self.faulty is not None and self.fixed is not None

    @property
    def ok(self) -> bool:
        """The faulty program was caught and the fixed one passed."""
        if self.faulty is None or self.fixed is None:
            return False
        return not self.faulty.passed and self.fixed.passed

    @property
    def status(self) -> Literal["ok", "failed", "not run"]:
        """Not run if packages are missing; whatever else is not ok has failed."""
        if self.ok:
            return "ok"
        return "not run" if not self.ran and self.card.missing() else "failed"
