"""The independent checker of torchlean certificates. Standard library, unless asked.

`check` re-derives the claim of a certificate in exact integer arithmetic and trusts no
number of the file that it can compute itself. docs/certificate.md gives the format,
what acceptance means and what is assumed.
"""

import functools
import os
from collections.abc import Callable
from pathlib import Path

from torchlean_check import (
    _choices,
    _convolution,
    _library,
    _matrices,
    _moves,
    _piecewise,
    _products,
    _roundings,
    _special,
    _sums,
    _windows,
)
from torchlean_check._documents import check_document, is_document
from torchlean_check._errors import (
    CertificateError,
    MalformedCertificate,
    NotProved,
    UnsupportedCertificate,
)
from torchlean_check._jobs import check_in_turns
from torchlean_check._verdict import Report, check_bytes

__version__ = "0.1.0"
__all__ = [
    "CertificateError",
    "MalformedCertificate",
    "NotProved",
    "Report",
    "UnsupportedCertificate",
    "check",
    "check_many",
]


def check(
    certificate: str | os.PathLike | bytes,
    *,
    watch: Callable[[], None] = lambda: None,
    arithmetic: str = "python",
    jobs: int = 1,
    missed: list[int] | None = None,
) -> Report:
    """The verdict on one certificate, given as a path or as its bytes.

    `report.accepted` means: the claim `report.claim` was derived from the graph, the
    input set and the property in the file, by exact arithmetic, with a strict final
    inequality. `report.accepted == False` means that the derivation did not reach the
    claim; the reason names the place in the proof.

    watch: called at every leaf, and between pieces of work on it; what it raises, to
    end a check that takes too long, reaches the caller. arithmetic: what multiplies
    integers, Python ("python") or the package python-flint ("flint"), which is faster
    and gives the same integers; `report.arithmetic` names it with its version. jobs:
    processes that share the leaves of a tree. missed: gets the number, from 0, of each
    leaf that is not derived, for whoever would cut these again; the first one no longer
    ends the check.

    Raises:
        CertificateError: the bytes are not a certificate, or use something that this
            checker has no theorem for; the message names file and field.
        OSError: the file cannot be read, or a process of `jobs` died.
        ImportError: there is no python-flint, which was asked for.
    """
    with _matrices.arithmetic(arithmetic) as said:
        if jobs > 1:
            ask = functools.partial(
                check_in_turns, jobs=jobs, watch=watch, arithmetic=arithmetic
            )
        else:
            ask = functools.partial(check_bytes, watch=watch)
        ask = functools.partial(ask, missed=missed)
        return _read(certificate, ask)._replace(arithmetic=said)


def _read(certificate, ask) -> Report:
    if isinstance(certificate, bytes):
        return _check(certificate, None, ask)
    name = os.fspath(certificate)
    with open(name, "rb") as stream:
        blob = stream.read()
    try:
        return _check(blob, Path(name).parent, ask)._replace(file=name)
    except CertificateError as error:
        error.file = name
        raise


def _check(blob: bytes, folder: Path | None, ask) -> Report:
    if is_document(blob):
        return check_document(blob, folder)
    return ask(blob)


def check_many(paths, *, arithmetic: str = "python", jobs: int = 1) -> list[Report]:
    """One report per file, in order; a malformed certificate is a rejected one.

    Parsed graphs are shared between certificates with equal digests. Files that cannot
    be read raise OSError.
    """
    reports = []
    for path in paths:
        try:
            reports.append(check(path, arithmetic=arithmetic, jobs=jobs))
        except CertificateError as error:
            reports.append(Report(False, str(error), file=os.fspath(path)))
    return reports
