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
from jaxtyping import install_import_hook

from tests import typechecker

# A module that was imported before the hook would keep its annotations unchecked.
assert "torchlean_jax" not in sys.modules, "torchlean_jax was imported before conftest"
install_import_hook("torchlean_jax", f"{typechecker.__name__}.check")

# No test finds what an earlier run compiled, nor leaves anything in a user's folder.
os.environ["TORCHLEAN_CACHE"] = ""


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
