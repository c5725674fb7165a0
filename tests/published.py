"""Networks and vectors that others published, in a folder beside the checkout.

They are not part of this repository; TORCHLEAN_BENCH names the folder where it is
elsewhere. Without the folder a test that needs it is skipped. With it, a missing file
is a failure: a test that is skipped there would hide that nothing was read.
"""

import os
from pathlib import Path

_BESIDE = Path(__file__).resolve().parents[2] / "shared" / "bench"
BENCH = Path(os.environ.get("TORCHLEAN_BENCH", _BESIDE))


def published(name: str) -> Path:
    """A file or folder of it."""
    if not BENCH.is_dir():
        import pytest

        pytest.skip(f"no folder {BENCH}: TORCHLEAN_BENCH may name another")
    assert (BENCH / name).exists(), f"{BENCH} is there and has no {name}"
    return BENCH / name
