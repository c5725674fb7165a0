"""Compiled programs that the next process finds again: what makes a short start.

Bounds of a network are an XLA program, which depends on the shapes of the network and
of the property only: the instances of a benchmark share it. JAX's persistent cache
keeps such programs in a folder. They are machine code, so the folder is as trusted as
the installation is; certificates do not depend on it.
"""

import os
from pathlib import Path

import jax

from torchlean_jax import _kept_programs

_LEAST = 0.1  # seconds of compilation that are worth a file


def keep_compiled() -> None:
    """Let this process find programs of earlier ones, and leave its own.

    In `$TORCHLEAN_CACHE` if that is set (empty: nowhere), else in the folder of caches
    of the user. A cache that JAX was already told to use stays as it is.
    """
    folder = _folder()
    if folder is None or jax.config.values["jax_compilation_cache_dir"]:
        return
    _kept_programs.keep_in(folder)
    jax.config.update("jax_compilation_cache_dir", str(folder))
    jax.config.update("jax_persistent_cache_min_compile_time_secs", _LEAST)
    jax.config.update("jax_persistent_cache_min_entry_size_bytes", -1)


def _folder() -> Path | None:
    named = os.environ.get("TORCHLEAN_CACHE")
    if named is not None:
        return Path(named) if named else None
    caches = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(caches) / "torchlean-jax"
