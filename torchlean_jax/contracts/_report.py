"""What checking a contract found, clause by clause."""

import json
from collections import Counter
from dataclasses import asdict, dataclass
from typing import Literal

Status = Literal["pass", "fail", "not run"]


@dataclass(frozen=True)
class Clause:
    """The verdict on one clause, for one program at one shape and dtype.

    `detail`: what was established, or what went wrong and where.
    """

    kernel: str
    clause: str
    program: str
    shape: str
    dtype: str
    status: Status
    detail: str
    seconds: float

    def __str__(self) -> str:
        where = " ".join(filter(None, (self.program, self.shape, self.dtype)))
        return f"{self.status:8s} {self.clause:12s} {where}: {self.detail}"


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
