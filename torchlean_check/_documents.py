"""Certificates that are a JSON document rather than an archive: one reader each.

Ours hold rationals as strings and no arrays, so one file of canonical JSON says
everything. The others are those of a neighbouring project: any layout, decimal numbers,
and no more is claimed of them than can be derived. What the formats mean is in the file
of each.
"""

import time
from pathlib import Path

from torchlean_check import _leaves, _picture_files
from torchlean_check._barriers import check_barrier
from torchlean_check._cameras import check_camera
from torchlean_check._container import read_manifest
from torchlean_check._corridor_files import check_corridor_file
from torchlean_check._corridors import check_corridor
from torchlean_check._errors import NotProved, UnsupportedCertificate
from torchlean_check._graph_files import check_graph_file
from torchlean_check._interpolants import check_interpolant
from torchlean_check._interval_files import check_interval_file
from torchlean_check._leaves import check_leaves
from torchlean_check._margins import check_margins
from torchlean_check._picture_files import check_picture
from torchlean_check._piecewise_files import check_piecewise
from torchlean_check._plain_json import read_plain
from torchlean_check._queries import check_monotone, check_query
from torchlean_check._residual_files import check_residuals
from torchlean_check._residuals import check_residual
from torchlean_check._schema import fail
from torchlean_check._splines import check_spline
from torchlean_check._stability import check_stability
from torchlean_check._surfaces import check_surface
from torchlean_check._trajectory_files import check_trajectory
from torchlean_check._verdict import Report
from torchlean_check._visibility import check_visibility

FORMATS = {
    "torchlean-barrier": check_barrier,
    "torchlean-camera": check_camera,
    "torchlean-corridor": check_corridor,
    "torchlean-interpolant": check_interpolant,
    "torchlean-residual": check_residual,
    "torchlean-spline": check_spline,
    "torchlean-stability": check_stability,
    "torchlean-surface": check_surface,
    "torchlean-trajectory": check_trajectory,
    "torchlean-visibility": check_visibility,
}
NEIGHBOURS = {
    _leaves.FORMAT: check_leaves,
    _picture_files.V1: check_picture,
    _picture_files.V2: check_picture,
    "crown_query_v1": check_query,
    "monotonicity_v1": check_monotone,
    "piecewise_poly_v0": check_piecewise,
    "robust_margin_cert_v0_1": check_margins,
    "torchlean.ir.v1": check_graph_file,
}


def is_document(blob: bytes) -> bool:
    return blob[:20].lstrip()[:1] == b"{"


def check_document(blob: bytes, folder: Path | None = None) -> Report:
    """The verdict on a document; CertificateError if it is not well formed.

    folder: where the file is, for documents that name others.
    """
    start = time.perf_counter()
    document = read_plain(blob)
    name = document.get("format")
    try:
        if type(name) is str and name in FORMATS:
            claim = FORMATS[name](read_manifest(blob))
        elif type(name) is str and name in NEIGHBOURS:
            claim = NEIGHBOURS[name](document)
        elif name is None and "rhs" in document:
            claim = check_corridor_file(document, folder)
        elif name is None and "graph" in document:
            claim = check_interval_file(document)
        elif name is None and "pinn" in document:
            claim = check_residuals(document)
        else:
            known = sorted(FORMATS | NEIGHBOURS)
            fail("format", f"must be one of {', '.join(known)}")
    except NotProved as error:
        return Report(False, str(error), seconds=time.perf_counter() - start)
    except (ValueError, OverflowError) as error:
        # Python writes no integer of more than 4300 digits, and no float above 2^1024:
        # what a reason was to tell of is a number that no certificate needs
        message = "numbers too long or too large to be written out"
        raise UnsupportedCertificate(message) from error
    seconds = time.perf_counter() - start
    return Report(True, "the claim was decided exactly", claim, seconds=seconds)
