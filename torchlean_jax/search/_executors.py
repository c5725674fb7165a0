"""Where batches of parts are bounded: here, on several devices, in other processes.

A search keeps its tree and its queue in one place. The batch of a round is dealt out in
shares, and what bounds them is put together in order, so parts and verdict are the same
with any number of workers. A worker that dies takes nothing along that was proved: its
share is bounded once more by another one.
"""

import functools
import hashlib
import itertools
import multiprocessing
import os
import pickle
import tempfile
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import jax
import numpy as np

from torchlean_jax.domains._errors import InputError, WorkerError
from torchlean_jax.search._branch import Bounded, Kind
from torchlean_jax.search._frontier import Rows

# Bounds are computed for so many parts at once; shares of multiples of it are computed
# by the same program on the same lanes, whoever does.
_GRAIN = 32
_DEATHS = 3  # of workers at one share, before it is to blame

Recipe = Callable[[], Kind]


@runtime_checkable
class Executor(Protocol):
    """Whoever bounds shares of a batch.

    workers: how many shares are bounded at a time.
    """

    workers: int

    def bound(
        self, kind: Kind, recipe: Recipe, shares: Sequence[Rows]
    ) -> list[Bounded]:
        """Bounds of each share, in order, by `kind` or by what `recipe` makes of it
        elsewhere. Raises WorkerError if workers die of a share again and again."""
        ...


class Spread:
    """A kind whose batches an executor bounds; otherwise as `kind` is."""

    def __init__(self, kind: Kind, executor: Executor, recipe: Recipe):
        self._kind, self._executor, self._recipe = kind, executor, recipe
        self.root, self.split, self.trimmed = kind.root, kind.split, kind.trimmed
        self.shares, self.share = kind.shares, kind.share
        # which not every kind has
        for name in ("halves", "part", "halved"):
            setattr(self, name, getattr(kind, name, None))

    def bound(self, rows: Rows) -> Bounded:
        dealt = dealt_out(rows, self._executor.workers)
        found = self._executor.bound(self._kind, self._recipe, dealt)
        return joined(found)


def dealt_out(rows: Rows, workers: int) -> list[Rows]:
    """The rows in order, in at most so many shares."""
    count = len(next(iter(rows.values())))
    grains = -(-count // _GRAIN)
    ends = [min(count, _GRAIN * (grains * k // workers)) for k in range(workers + 1)]
    pairs = [(a, b) for a, b in itertools.pairwise(ends) if a < b]
    return [{name: a[i:j] for name, a in rows.items()} for i, j in pairs]


def joined(parts: list[Bounded]) -> Bounded:
    """The bounds of one batch of those of its shares."""
    return Bounded(
        np.concatenate([part.margin for part in parts]),
        [point for part in parts for point in part.points],
        _in_one([part.extra for part in parts]),
        _in_one([part.evidence for part in parts]),
    )


def _in_one(parts: list[Rows]) -> Rows:
    return {n: np.concatenate([part[n] for part in parts]) for n in parts[0]}


class Devices:
    """Each share on a JAX device of its own: those given, or all that JAX has."""

    def __init__(self, devices: Sequence[Any] | None = None):
        self._devices = list(jax.devices() if devices is None else devices)
        self.workers = len(self._devices)
        self._threads = ThreadPoolExecutor(self.workers)

    def bound(self, kind: Kind, recipe: Recipe, shares) -> list[Bounded]:
        def on(device, rows):
            with jax.default_device(device):
                return kind.bound(rows)

        return list(self._threads.map(on, self._devices, shares))


class Processes:
    """Each share in a process of its own; the processes stay until `close`, or the end
    of a `with` block. Models reach them by pickle, or cloudpickle if it is installed.

    >>> from torchlean_jax.search import Processes
    >>> with Processes(4) as executor:
    ...     executor.workers
    4
    """

    def __init__(self, workers: int = 2):
        if isinstance(workers, bool) or not isinstance(workers, int) or workers < 1:
            raise InputError(f"workers are counted from 1; got {workers!r}")
        self.workers = workers
        self._pool: ProcessPoolExecutor | None = None
        self._folder = tempfile.TemporaryDirectory(prefix="torchlean-")
        self._sent: dict[int, tuple[Recipe, str]] = {}

    def __enter__(self) -> "Processes":
        return self

    def __exit__(self, *error: Any) -> None:
        self.close()

    def close(self) -> None:
        """End the processes."""
        if self._pool is not None:
            self._pool.shutdown(cancel_futures=True)
        self._pool = None
        self._folder.cleanup()

    def bound(self, kind: Kind, recipe: Recipe, shares) -> list[Bounded]:
        path = self._file(recipe)
        found: dict[int, Bounded] = {}
        for _ in range(_DEATHS):
            waiting = [k for k in range(len(shares)) if k not in found]
            if not waiting:
                break
            self._round(path, waiting, shares, found)
        if len(found) < len(shares):
            raise WorkerError(
                f"{_DEATHS} processes died of one share of a batch, perhaps for want "
                "of memory: use fewer workers, or a smaller search.Branching(batch)"
            )
        return [found[k] for k in range(len(shares))]

    def _round(self, path, waiting, shares, found) -> None:
        """Have the shares that wait bounded; a death leaves some of them waiting."""
        if self._pool is None:
            context = multiprocessing.get_context("spawn")
            self._pool = ProcessPoolExecutor(self.workers, mp_context=context)
        try:
            futures: dict[int, Future] = {
                k: self._pool.submit(_bound_there, path, shares[k]) for k in waiting
            }
        except BrokenProcessPool:
            self._pool = None
            return
        for k, future in futures.items():
            try:
                found[k] = future.result()
            except BrokenProcessPool:
                self._pool = None

    def _file(self, recipe: Recipe) -> str:
        """Where workers read a recipe, which may hold all weights, once."""
        if id(recipe) not in self._sent:
            blob = pickled(recipe)
            path = Path(self._folder.name) / hashlib.sha256(blob).hexdigest()
            path.write_bytes(blob)
            self._sent[id(recipe)] = recipe, os.fspath(path)
        return self._sent[id(recipe)][1]


class Ray:
    """Each share in a task of a Ray cluster: the one that `ray.init` is connected to,
    or a local one of so many workers (`pip install ray`)."""

    def __init__(self, workers: int = 2):
        try:
            import ray  # pyright: ignore[reportMissingImports]
        except ModuleNotFoundError as error:
            raise InputError("ray is not installed: pip install ray") from error
        if not ray.is_initialized():
            ray.init(num_cpus=workers, include_dashboard=False, log_to_driver=False)
        self.workers, self._ray = workers, ray
        # Ray runs the task of a worker that died once more
        self._task = ray.remote(max_retries=_DEATHS)(_bound_blob)
        self._sent: dict[int, tuple[Recipe, Any]] = {}

    def bound(self, kind: Kind, recipe: Recipe, shares) -> list[Bounded]:
        if id(recipe) not in self._sent:
            self._sent[id(recipe)] = recipe, self._ray.put(pickled(recipe))
        blob = self._sent[id(recipe)][1]
        try:
            return self._ray.get([self._task.remote(blob, rows) for rows in shares])
        except self._ray.exceptions.WorkerCrashedError as error:
            raise WorkerError(
                f"{_DEATHS} workers of Ray died of one share of a batch"
            ) from error


def pickled(recipe: Any) -> bytes:
    """Raises InputError for what cannot be sent to another process."""
    try:
        import cloudpickle as pickler
    except ModuleNotFoundError:
        pickler = pickle
    try:
        return pickler.dumps(recipe)
    except Exception as error:  # of many types: whatever a model refers to
        raise InputError(
            f"this model cannot be sent to other processes ({error}); define it in a "
            "module, or pip install cloudpickle"
        ) from error


def _bound_there(path: str, rows: Rows) -> Bounded:
    return _read(path).bound(rows)


@functools.lru_cache(maxsize=4)
def _read(path: str) -> Kind:
    return pickle.loads(Path(path).read_bytes())()


def _bound_blob(blob: bytes, rows: Rows) -> Bounded:
    return _made(blob).bound(rows)


@functools.lru_cache(maxsize=4)
def _made(blob: bytes) -> Kind:
    return pickle.loads(blob)()
