"""What every test runs under: annotations of array shapes and dtypes, enforced.

Only `torchlean_jax` is hooked. `torchlean_check` reads files that others wrote, so it
has to refuse a wrong type by itself: beartype, refusing first, would hide a check that
is missing.
"""

import sys

from jaxtyping import install_import_hook

from tests import typechecker

# A module that was imported before the hook would keep its annotations unchecked.
assert "torchlean_jax" not in sys.modules, "torchlean_jax was imported before conftest"
install_import_hook("torchlean_jax", f"{typechecker.__name__}.check")
