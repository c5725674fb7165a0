"""The file from which a search goes on: what it holds, and when it is written.

A file holds the searches of one problem by name, each as arrays, in an archive of
NumPy's (`.npz`) without pickles. It is written whole and renamed, so a death at any
moment leaves the last one that was complete. What is in it is believed, as the memory
of the process that wrote it would be: the proof that needs no belief is a certificate,
whose checker bounds every part again.
"""

import contextlib
import json
import os
import time
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from torchlean_jax._files import replacing
from torchlean_jax.domains._errors import (
    FileFormatError,
    InputError,
    SearchFileError,
)

_FORMAT = "torchlean search, version 1"
_LEAST = 5.0  # seconds between two writings
_SHARE = 20  # and this many times what the last one took

State = dict[str, np.ndarray]


class Saved:
    """The searches of one problem, in a file or, without a path, in memory only.

    problem: its digest. An existing file is read and has to be of the same problem; a
    missing one is written at once, so that a path that cannot be is known now. Raises
    InputError, FileFormatError (a damaged file) or SearchFileError.
    """

    def __init__(self, path: str | os.PathLike | None, problem: str):
        self._path = None if path is None else Path(path)
        self._problem = problem
        self._states: dict[str, State] = {}
        self._written, self._pause = time.perf_counter(), _LEAST
        if self._path is None:
            return
        if self._path.exists():
            self._states = _read(self._path, problem)
        else:
            self.write()

    def slot(self, name: str) -> "Slot":
        return Slot(self, name)

    def get(self, name: str) -> State | None:
        return self._states.get(name)

    def holds(self, start: str) -> bool:
        longer = f"{start}/"
        return any(n == start or n.startswith(longer) for n in self._states)

    def put(self, name: str, state: State) -> None:
        self._states[name] = state

    @property
    def is_due(self) -> bool:
        """Whether it is time to write: rarely enough to cost a few per cent at most."""
        past = time.perf_counter() - self._written
        return self._path is not None and past >= self._pause

    def write(self) -> None:
        """Put everything into the file. Raises SearchFileError."""
        if self._path is None:
            return
        start = self._written = time.perf_counter()
        try:
            with replacing(self._path) as temporary, temporary.open("wb") as stream:
                # the parameter is called `file`: no array may be
                np.savez(stream, **self._members())
                stream.flush()
                os.fsync(stream.fileno())
        except OSError as error:
            why = error.strerror or str(error)
            raise SearchFileError(
                f"{self._path}: the state of the search cannot be written ({why}); "
                "what the file held before is as it was"
            ) from error
        self._written = time.perf_counter()
        self._pause = max(_LEAST, _SHARE * (self._written - start))

    def _members(self) -> dict[str, Any]:
        names = list(self._states)
        about = {"format": _FORMAT, "problem": self._problem, "searches": names}
        found = {"about": np.frombuffer(json.dumps(about).encode(), np.uint8)}
        for number, name in enumerate(names):
            for key, array in self._states[name].items():
                found[f"{number}.{key}"] = array
        return found


class Slot:
    """The place of one search, or of several under longer names, in a `Saved`."""

    def __init__(self, saved: Saved, name: str):
        self._saved, self._name = saved, name

    def under(self, name: str) -> "Slot":
        return Slot(self._saved, f"{self._name}/{name}")

    @property
    def state(self) -> State | None:
        return self._saved.get(self._name)

    @property
    def is_used(self) -> bool:
        """Whether a search was kept here, or under a longer name."""
        return self._saved.holds(self._name)

    def follow(self, state: Callable[[], State]) -> None:
        """Keep `state()` in the file if that was not done for a while.

        A disk that is full now may not be later: a search does not end for that.
        """
        if self._saved.is_due:
            with contextlib.suppress(SearchFileError):
                self.keep(state())

    def put(self, state: State) -> None:
        """For the next writing, whoever asks for it."""
        self._saved.put(self._name, state)

    def keep(self, state: State) -> None:
        self.put(state)
        self._saved.write()


def _read(path: Path, problem: str) -> dict[str, State]:
    try:
        # NumPy would leave a damaged file open
        with path.open("rb") as stream, np.load(stream, allow_pickle=False) as archive:
            members = {name: archive[name] for name in archive.files}
        about = json.loads(members.pop("about").tobytes())
        if about["format"] != _FORMAT:
            raise ValueError(about["format"])
        states: dict[str, State] = {str(name): {} for name in about["searches"]}
        names = list(states)
        for member, array in members.items():
            number, _, key = member.partition(".")
            states[names[int(number)]][key] = array
    except OSError as error:
        raise SearchFileError(f"{path}: {error.strerror or error}") from error
    except (ValueError, KeyError, IndexError, TypeError, EOFError, *_BROKEN) as error:
        raise FileFormatError(
            f"{path} is no file that a search can go on from, or it is damaged "
            f"({type(error).__name__}); remove it to start anew"
        ) from error
    if about["problem"] != problem:
        raise InputError(
            f"{path} belongs to another problem (other weights, another set, spec or "
            "method, with a certificate or without, or another version of this "
            "package); name another file"
        )
    return states


_BROKEN = (zipfile.BadZipFile, zlib.error, NotImplementedError)
