"""The certificate of what `verify` proved, which the checker has accepted.

Bounds of a search and those of the checker differ a little: by rounding, and where it
draws lines by a rule of its own. Leaves of a search that it misses are cut again.
"""

import math
from typing import Any

from torchlean_jax._parts import Course
from torchlean_jax._question import Question
from torchlean_jax.domains._errors import CertificateWriteError
from torchlean_jax.search._executors import Processes

_ROUNDS = 10
_MORE_LEAVES = 4  # times as many as the checker missed at first: hopeless
_FEW_LEAVES = 64


def certified(asked: Question, proof: dict[str, Any], course: Course | None) -> dict:
    """Fields of a verdict: a certificate, or why there is none.

    proof: what `certify` of the writer takes and, of a search, "again": what the
    verdict says once some leaves are cut, by their numbers; None if they cannot be.
    """
    from torchlean_jax.certificate._writer import MissedLeaves, certify

    again = proof.pop("again", None)
    until, jobs = math.inf, 1
    if course is not None:
        until, executor = course.until, course.executor
        jobs = executor.workers if isinstance(executor, Processes) else 1
    question = asked.model, asked.args, asked.formula.tree
    found, most, reason = {}, math.inf, ""
    for number in range(_ROUNDS):
        try:
            written = certify(
                *question, **proof, errors=asked.errors, until=until, jobs=jobs
            )
            return found | {"certificate": written}
        except MissedLeaves as error:
            reason, missed = str(error), error.leaves
        except CertificateWriteError as error:
            return found | {"why_no_certificate": str(error)}
        if number == 0:
            most = max(_MORE_LEAVES * len(missed), _FEW_LEAVES)
        if again is None or len(missed) > most or number == _ROUNDS - 1:
            break
        better = again(missed)
        if better is None:
            break
        found = better
    return found | {"why_no_certificate": reason}
