"""Certificates as theorems that Coq checks: `theorem` writes one, `prove` runs Coq.

The theory that the theorems use stands in `proofs/`. Nothing else needs this room.
`run_extracted` has a program that Coq made of the checker read the same files.
"""

from collections.abc import Mapping

from torchlean_jax.coq._core import Core, OutsideTheCoreError
from torchlean_jax.coq._digests import (
    compare,
    digests,
    graph_digests,
    statement_digests,
)
from torchlean_jax.coq._extracted import (
    Verdicts,
    build_extracted,
    missing_extracted,
    run_extracted,
)
from torchlean_jax.coq._reading import read
from torchlean_jax.coq._run import CoqError, Outcome, build, missing, needed, prove
from torchlean_jax.coq._text import network_text, theorem_text

__all__ = [
    "CoqError",
    "Outcome",
    "OutsideTheCoreError",
    "Verdicts",
    "build",
    "build_extracted",
    "compare",
    "digests",
    "missing",
    "missing_extracted",
    "needed",
    "prove",
    "run_extracted",
    "theorems",
]


def theorems(certificates: Mapping[str, bytes]) -> str:
    """A Coq file with a theorem `holds_NAME` for each certificate, all of one graph.

    The bytes are read by the standard-library reader of `torchlean_check`; from then on
    only what stands in the file counts. Coq accepts it if every claim follows, and
    prints the digests that `compare` holds against those of the certificates.

    Raises: OutsideTheCoreError, naming what the proved checker does not cover;
    torchlean_check.CertificateError for what is no certificate.
    """
    text, first, core = "", None, None
    for name, blob in certificates.items():
        reading = read(blob)
        if first is None or core is None:
            first, core = reading, Core(reading)
            text = network_text(reading, core) + graph_digests(reading, core)
        elif reading.digest != first.digest:
            raise OutsideTheCoreError("certificates of one file need one graph")
        text += "\n" + theorem_text(reading, core, name)
        text += statement_digests(reading, name)
    last = next(reversed(list(certificates)), None)
    if last is None:
        raise OutsideTheCoreError("no certificate was given")
    return text + f"End Certificates.\nPrint Assumptions Certificates.holds_{last}.\n"
