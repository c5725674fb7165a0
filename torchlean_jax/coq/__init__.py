"""Certificates as theorems that Coq checks: `theorem` writes one, `prove` runs Coq.

The theory that the theorems use stands in `proofs/`. Nothing else needs this room.
"""

from collections.abc import Mapping

from torchlean_jax.coq._core import Core, OutsideTheCoreError
from torchlean_jax.coq._reading import read
from torchlean_jax.coq._run import CoqError, Outcome, build, missing, needed, prove
from torchlean_jax.coq._text import network_text, theorem_text

__all__ = [
    "CoqError",
    "Outcome",
    "OutsideTheCoreError",
    "build",
    "missing",
    "needed",
    "prove",
    "theorems",
]


def theorems(certificates: Mapping[str, bytes]) -> str:
    """A Coq file with a theorem `holds_NAME` for each certificate, all of one graph.

    The bytes are read by the standard-library reader of `torchlean_check`; from then on
    only what stands in the file counts. Coq accepts the file if every claim follows.

    Raises: OutsideTheCoreError, naming what the proved checker does not cover;
    torchlean_check.CertificateError for what is no certificate.
    """
    text, digest, core = "", None, None
    for name, blob in certificates.items():
        reading = read(blob)
        if core is None:
            digest, core = reading.digest, Core(reading)
            text = network_text(reading, core)
        elif reading.digest != digest:
            raise OutsideTheCoreError("certificates of one file need one graph")
        text += "\n" + theorem_text(reading, core, name)
    last = next(reversed(list(certificates)), None)
    if last is None:
        raise OutsideTheCoreError("no certificate was given")
    return text + f"End Certificates.\nPrint Assumptions Certificates.holds_{last}.\n"
