"""What checking a contract found, clause by clause."""

import json
from collections import Counter
from dataclasses import asdict, dataclass, fields
from typing import Literal

Status = Literal["pass", "fail", "not run"]


@dataclass(frozen=True)
class Question:
    """One clause about one program at one shape and dtype: names alone, so that another
    process can be asked."""

    kernel: str
    clause: str
    program: str
    shape: str
    dtype: str

    @property
    def where(self) -> str:
        """The program, shape and dtype, as far as there are any."""
        return " ".join(filter(None, (self.program, self.shape, self.dtype)))

    def answered(self, status: Status, detail: str, seconds: float) -> "Clause":
        """The clause that this was about, with its verdict."""
        return Clause(**asdict(self), status=status, detail=detail, seconds=seconds)


@dataclass(frozen=True)
class Clause(Question):
    """The verdict on one clause, for one program at one shape and dtype.

    `detail`: what was established, or what went wrong and where. `seconds`: by the
    clock, of the process that decided it.
    """

    status: Status
    detail: str
    seconds: float

    @property
    def question(self) -> Question:
        """What this answers."""
        names = (field.name for field in fields(Question))
        return Question(*(getattr(self, name) for name in names))

    def __str__(self) -> str:
        return f"{self.status:8s} {self.clause:12s} {self.where}: {self.detail}"


@dataclass(frozen=True)
class ContractReport:
    """All clauses of a check, in order."""

    clauses: tuple[Clause, ...]

    @property
    def ok(self) -> bool:
        """No clause failed, and some passed."""
        statuses = {clause.status for clause in self.clauses}
        return "fail" not in statuses and "pass" in statuses

    @property
    def failures(self) -> tuple[Clause, ...]:
        return tuple(c for c in self.clauses if c.status == "fail")

    def summary(self) -> dict[tuple[str, str], Counter]:
        """How often each status came up, by (kernel, clause)."""
        counts: dict[tuple[str, str], Counter] = {}
        for c in self.clauses:
            counts.setdefault((c.kernel, c.clause), Counter())[c.status] += 1
        return counts

    def to_json(self) -> str:
        return json.dumps([asdict(clause) for clause in self.clauses], indent=1)

    def __str__(self) -> str:
        lines = []
        for (kernel, clause), counts in self.summary().items():
            parts = ", ".join(f"{n} {status}" for status, n in counts.items())
            lines.append(f"{kernel:24s} {clause:12s} {parts}")
        lines += [str(failure) for failure in self.failures]
        return "\n".join(lines)
