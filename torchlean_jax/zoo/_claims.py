"""What an entry claims of its trained model, and whether it holds.

A claim is a function of a Trained. Its docstring is the statement; what it returns says
whether that holds: a function that carries claims (`tl.claims`), which are then
checked, a report of a verb through `answered`, or an Answer.
"""

import inspect
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from torchlean_jax import claims as written
from torchlean_jax.claims._asking import Answer
from torchlean_jax.claims._record import record_of
from torchlean_jax.zoo._entry import Trained

WORDS = {True: "holds", False: "fails", None: "unknown"}


@dataclass(frozen=True)
class Finding:
    """Whether a claim holds of one trained model.

    name: of the claim; says: the statement; status: `"holds"`, `"fails"` or
    `"unknown"`; evidence: what was proved, measured or found against it.
    """

    name: str
    says: str
    status: str
    evidence: str
    seconds: float

    def __bool__(self) -> bool:
        return self.status == "holds"


def check_claims(trained: Trained, *, seed: int = 0) -> Iterator[Finding]:
    """Each claim of the entry about this model, as it is decided.

    What a claim raises leaves it unknown, with the reason.
    """
    for claim in trained.entry.claims:
        yield check_claim(claim, trained, seed=seed)


def check_claim(claim: Callable, trained: Trained | None, *, seed: int = 0) -> Finding:
    """One claim about this model, or about no model (`published`)."""
    started = time.perf_counter()
    try:
        answer = _answer(claim(trained), seed)
    except Exception as error:  # whatever a verb or a model may raise
        answer = Answer(None, error, f"{type(error).__name__}: {error}")
    return Finding(
        claim.__name__,
        " ".join(inspect.cleandoc(claim.__doc__ or "").split()),
        WORDS[answer.holds],
        answer.why,
        time.perf_counter() - started,
    )


def counted(held: int, total: int, what: str, first: str = "") -> Answer:
    """All of so many cases hold, or some do not: then `first` shows one."""
    said = f"{held} of {total} {what}"
    return Answer(held == total, None, said if held == total else f"{said}\n{first}")


def _answer(result, seed: int) -> Answer:
    if isinstance(result, Answer):
        return result
    if record_of(result) is None:
        raise TypeError(f"a claim returned {type(result).__name__}")
    results = written.check(result, seed=seed)
    fails = any(r.holds is False for r in results)
    holds = False if fails else all(results) or None
    return Answer(
        holds, results, "\n".join(f"{r.claim.says}: {r.why}" for r in results)
    )
