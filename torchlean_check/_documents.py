"""Certificates that are a JSON document rather than an archive: one format each.

They hold rationals as strings and no arrays, so one file of canonical JSON says
everything. What the formats mean is in the file of each.
"""

import time

from torchlean_check._cameras import check_camera
from torchlean_check._container import read_manifest
from torchlean_check._corridors import check_corridor
from torchlean_check._errors import NotProved
from torchlean_check._schema import fail
from torchlean_check._splines import check_spline
from torchlean_check._verdict import Report

FORMATS = {
    "torchlean-camera": check_camera,
    "torchlean-corridor": check_corridor,
    "torchlean-spline": check_spline,
}


def is_document(blob: bytes) -> bool:
    return blob[:1] == b"{"


def check_document(blob: bytes) -> Report:
    """The verdict on a document; CertificateError if it is not well formed."""
    start = time.perf_counter()
    document = read_manifest(blob)
    name = document.get("format")
    if type(name) is not str or name not in FORMATS:
        fail("format", f"must be one of {', '.join(sorted(FORMATS))}")
    try:
        claim = FORMATS[name](document)
    except NotProved as error:
        return Report(False, str(error), seconds=time.perf_counter() - start)
    seconds = time.perf_counter() - start
    return Report(True, "the claim was decided exactly", claim, seconds=seconds)
