"""Lowered programs that the next process finds again.

Tracing a bound method takes most of a short run: for ACAS Xu 1.8 s, and 0.6 s more to
lower the trace for XLA. What comes of it depends on the model, the method and the
shapes, which a network's many properties share. So a process that was told where
(`keep_in`) leaves the lowered program (`jax.export`), and a later one begins there.
Compiling it is a matter of JAX's own cache of compiled programs.

A bound is only as true as the program that computes it. A program is therefore named
by all that made it: the model with its constants, the method, the shapes, JAX's
settings, the versions of what traced it, and every source file of this package. It is
read only from a folder and a file that nobody else may write to. Rules that a user
defined have no place in that name: only commands on files, which have none, keep
programs.
"""

import functools
import hashlib
import os
import stat
import sys
import time
from collections.abc import Callable
from importlib import metadata
from pathlib import Path
from typing import Any

import jax

from torchlean_jax._files import replacing

_LEAST = 0.1  # seconds of tracing that are worth a file
_FORMAT = "torchlean lowered program, version 1"
_SOURCES = Path(__file__).parent

_folders: list[Path] = []  # where this process keeps them: one, or none


def keep_in(folder: Path | None) -> None:
    """From now on, in this process; None for nowhere, as it is at first."""
    _folders[:] = [] if folder is None else [folder]


def jit(
    function: Callable, name: Callable[[], str], compiler_options: dict | None = None
) -> Callable:
    """`jax.jit(function)` for arrays in arguments and results that are tuples, lists
    and dictionaries; name: of what `function` refers to, all that a trace can see;
    compiler_options: those of `jax.jit`."""
    jitted = functools.partial(jax.jit, compiler_options=compiler_options)
    plain = jitted(function)
    programs: dict[Any, Callable | None] = {}

    @functools.wraps(function)
    def call(*args):
        if not _is_in_use():
            return plain(*args)
        leaves, tree = jax.tree.flatten(args)
        key = tree, tuple(map(jax.typeof, leaves)), _in_this_thread()
        if key not in programs:
            said = [_FORMAT, name(), *key, _settings(), _versions(), _sources()]
            digest = hashlib.sha256("\n".join(map(repr, said)).encode())
            programs[key] = _found(digest.hexdigest(), function, tree, leaves, jitted)
        program = programs[key]
        return program(*leaves) if program else plain(*args)

    return call


def _found(digest: str, function, tree, leaves, jit) -> Callable | None:
    """The program of that name on a flat list of arguments, perhaps traced now, by
    `jit`; None if it cannot be kept, or is not worth it."""
    try:
        from jax import export  # needs flatbuffers, which JAX does not bring
    except ImportError:
        return None
    path = _folders[0] / f"{digest}.lowered"
    try:
        blob = _read(path)
        if blob is not None:
            return jit(export.deserialize(bytearray(blob)).call)
        start = time.perf_counter()
        flat = jax.jit(lambda *leaves: function(*jax.tree.unflatten(tree, leaves)))
        exported = export.export(flat)(*leaves)
        if time.perf_counter() - start >= _LEAST:
            _write(path, bytes(exported.serialize()))
        return jit(exported.call)
    except (ImportError, NotImplementedError, OSError, ValueError):
        return None


def _read(path: Path) -> bytes | None:
    """What was kept there; None if there is nothing, or nothing to be trusted."""
    try:
        with path.open("rb") as file:
            if not (_is_ours(os.fstat(file.fileno())) and _is_ours(path.parent.stat())):
                return None
            digest, _, blob = file.read().partition(b"\n")
    except OSError:
        return None
    return blob if digest == _sum(blob) else None


def _write(path: Path, blob: bytes) -> None:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with replacing(path) as temporary:
        temporary.write_bytes(_sum(blob) + b"\n" + blob)


def _sum(blob: bytes) -> bytes:
    return hashlib.sha256(blob).hexdigest().encode()


def _is_ours(status: os.stat_result) -> bool:
    """Whether nobody but this user can have written it."""
    others = stat.S_IWGRP | stat.S_IWOTH
    return status.st_uid == os.geteuid() and not status.st_mode & others


def _is_in_use() -> bool:
    """On a CPU alone: a program is lowered for one kind of device, and for one of
    them."""
    if not _folders or os.name != "posix" or jax.default_backend() != "cpu":
        return False
    return _in_this_thread()[0] is None


_OF_A_CONTEXT = "jax_default_device", "jax_enable_x64", "jax_default_matmul_precision"


def _in_this_thread() -> tuple:
    """What a context may have set of JAX."""
    return tuple(getattr(jax.config, name) for name in _OF_A_CONTEXT)


def _settings() -> list:
    return sorted((name, repr(value)) for name, value in jax.config.values.items())


def _versions() -> tuple:
    libraries = (metadata.version(name) for name in ("jax", "jaxlib", "numpy"))
    return sys.version, *libraries, os.uname().machine


@functools.lru_cache(maxsize=1)
def _sources(folder: Path = _SOURCES) -> str:
    """A digest of all files below a folder, with their names."""
    found = hashlib.sha256()
    for here, folders, files in os.walk(folder, followlinks=True):
        folders[:] = sorted(name for name in folders if name != "__pycache__")
        for name in sorted(files):
            path = Path(here, name)
            found.update(f"{path.relative_to(folder)}\0".encode())
            found.update(hashlib.sha256(path.read_bytes()).digest())
    return found.hexdigest()
