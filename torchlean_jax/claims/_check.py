"""`check`: every claim of a function, an instance or a module, at every example."""

import inspect
import time
import traceback
from collections import Counter
from dataclasses import dataclass, field
from types import ModuleType
from typing import Any

from torchlean_jax.claims._given import given, is_instance
from torchlean_jax.claims._record import Claim, Example, Record, record_of, records_in
from torchlean_jax.domains._errors import InputError, TorchLeanError

_WORDS = {True: "holds", False: "false", None: "undecided"}


@dataclass(frozen=True, eq=False)
class Result:
    """Whether a claim holds; true in an `if` or `assert` only if it does.

    function: whose claim it is; name: what of it, unique there. holds: True; False,
    with a witness in `why`; or None where neither was established, and `why` says what
    stands in the way. report: what the verb returned, or the exception that it raised.
    """

    function: str
    name: str
    claim: Claim
    holds: bool | None
    why: str
    report: Any = field(repr=False)
    seconds: float

    def __bool__(self) -> bool:
        return self.holds is True

    @property
    def verdict(self) -> str:
        """`"holds"`, `"false"` or `"undecided"`."""
        return _WORDS[self.holds]

    def __str__(self) -> str:
        said = f"{self.verdict}: `{self.function}` {self.claim.says}"
        reasons = (f"  {line}" for line in self.why.splitlines())
        return "\n".join([f"{said} ({self.claim.place})", *reasons])


@dataclass(frozen=True, eq=False)
class Case:
    """One claim of a function at one example, to be checked."""

    function: str
    name: str
    claim: Claim
    called: Any
    record: Record
    example: Example | None
    instance: Any = None

    def check(self, seed: int = 0) -> Result:
        """The claim put to its verb; whatever that raises leaves it undecided."""
        started = time.perf_counter()
        try:
            holds, report, why = self._answer(seed)
        except Exception as error:  # a verb's, or what a user's function may raise
            holds, report, why = None, error, self._stopped(error)
        seconds = time.perf_counter() - started
        return Result(self.function, self.name, self.claim, holds, why, report, seconds)

    def _answer(self, seed):
        if self.example is None:
            raise InputError(
                f"there is no example: put @tl.claims.example(...) among the claims "
                f"of `{self.function}`"
            )
        at = given(self.called, self.record, self.example, self.instance, seed)
        return self.claim.ask(at)

    def _stopped(self, error) -> str:
        """The error, and the last line that is the user's own."""
        ours = isinstance(error, TorchLeanError)
        said = "".join(traceback.format_exception_only(error)).strip()
        said = str(error) if ours else f"it raised {said}"
        raised = error.__cause__ if ours else error
        frames = traceback.extract_tb(raised.__traceback__) if raised else []
        theirs = [frame for frame in frames if frame.filename == self.claim.file]
        if not theirs and (ours or not frames):
            return said
        at = (theirs or frames)[-1]
        return f"{said}\nat {at.filename}:{at.lineno}: {at.line}"


def check(subject, *, seed: int = 0) -> list[Result]:
    """Check what `subject` claims: a Result for each claim and example, in the order
    in which they are written.

    subject: a function; an object with methods that claim something, such as a flax nnx
    or equinox module; a pair (linen module, variables); or a Python module, for all
    that is claimed in it. seed: of everything that is drawn at random.

    `all(check(f))` says that every claim holds. What a verb refuses, and what the
    function itself raises, leaves a claim undecided (None), with the reason.

    Raises InputError if nothing is claimed.

    >>> import jax.numpy as jnp, torchlean_jax as tl
    >>> @tl.claims.causal(axis=0)
    ... @tl.claims.gradient()
    ... @tl.claims.example("f32[5]")
    ... def running_mean(x):
    ...     return jnp.cumsum(x) / jnp.arange(1, 6)
    >>> [(result.name, result.verdict) for result in tl.claims.check(running_mean)]
    [('causal', 'holds'), ('gradient', 'holds')]
    """
    found = cases(subject)
    if not found:
        raise InputError(
            f"{subject!r} claims nothing: write claims above functions and methods, "
            "such as @tl.claims.gradient() and @tl.claims.example(...)"
        )
    return [case.check(seed) for case in found]


def cases(subject) -> list[Case]:
    """What `check` checks, unchecked."""
    if isinstance(subject, ModuleType):
        found = [(called, record, None) for called, record in records_in(subject)]
    elif (record := record_of(subject)) is not None:
        found = [(subject, record, None)]
    else:
        found = list(_methods(subject))
    return [case for parts in found for case in _cases_of(*parts)]


def _methods(instance):
    """The methods of an object that claim something, inherited ones included."""
    owner = instance[0] if isinstance(instance, tuple) and instance else instance
    for name, method in inspect.getmembers_static(type(owner)):
        record = record_of(method)
        if record is not None and is_instance(instance, record):
            yield getattr(type(owner), name), record, instance


def _cases_of(called, record: Record, instance) -> list[Case]:
    """A case for each claim and example; those of the same kind are numbered."""
    function = record.function.__qualname__.rpartition("<locals>.")[2]
    examples = record.examples or (None,)
    pairs = [(claim, example) for claim in record.claims for example in examples]
    count = Counter(claim.kind for claim, _ in pairs)
    seen: Counter[str] = Counter()
    made = []
    for claim, example in pairs:
        seen[claim.kind] += 1
        many = count[claim.kind] > 1
        name = f"{claim.kind}[{seen[claim.kind]}]" if many else claim.kind
        made.append(Case(function, name, claim, called, record, example, instance))
    return made
