"""Documents with numbers that Python does not write out: refused, by no other error."""

import pytest

import torchlean_check
from torchlean_check._container import canonical_json

THIRDS, NINTHS = "1/" + "3" * 1199, "1/" + "9" * 1190 + "1"
SPLINE = {
    "format": "torchlean-spline",
    "version": 1,
    "spline": {
        "knots": ["0", "1/" + "7" * 1199, "1"],
        "pieces": [[NINTHS] * 8, ["0", THIRDS]],
    },
    "claims": [{"kind": "continuous", "order": 0, "tolerance": "0"}],
}


def test_a_jump_of_many_digits_is_refused():
    """The jump has the seventh power of one denominator in it: 8,400 digits."""
    with pytest.raises(torchlean_check.CertificateError, match="too long"):
        torchlean_check.check(canonical_json(SPLINE))


def test_one_such_file_does_not_stop_the_others(tmp_path):
    smooth = {"knots": ["0", "1"], "pieces": [["0", "1"]]}
    for name, spline in (("a", SPLINE["spline"]), ("b", smooth)):
        (tmp_path / name).write_bytes(canonical_json(SPLINE | {"spline": spline}))
    reports = torchlean_check.check_many([tmp_path / "a", tmp_path / "b"])
    assert [report.accepted for report in reports] == [False, True]
