"""What every test runs under: annotations of array shapes and dtypes, enforced.

Only `torchlean_jax` is hooked. `torchlean_check` reads files that others wrote, so it
has to refuse a wrong type by itself: beartype, refusing first, would hide a check that
is missing.
"""

import gc
import os
import sys
from pathlib import Path

import jax
import pytest

from tests import typechecker

# A module that was imported before the hook would keep its annotations unchecked.
assert "torchlean_jax" not in sys.modules, "torchlean_jax was imported before conftest"
typechecker.install("torchlean_jax")

# No test finds what an earlier run compiled, nor leaves anything in a user's folder.
os.environ["TORCHLEAN_CACHE"] = ""


# Tracing makes objects by the thousand that soon die without help: collecting at every
# 700 of them was a tenth of the time of a kernel's test, and is a fiftieth.
_BETWEEN_COLLECTIONS = 10_000


def pytest_collection_finish(session):
    """What is there before the first test stays: no collection looks at it again."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(_BETWEEN_COLLECTIONS)


# JAX keeps every program it compiled. Thousands of tests would fill the memory.
_PAGES = Path("/proc/self/statm")
_ENOUGH = 6 * 2**30 // 4096


@pytest.fixture(scope="module", autouse=True)
def _forget_programs():
    """Drop what JAX compiled for a module once the process has become large."""
    yield
    if _PAGES.exists() and int(_PAGES.read_text().split()[1]) > _ENOUGH:
        jax.clear_caches()
        gc.collect()
