"""The instances of a benchmark, each decided in a process of its own.

What kills such a process, be it memory or a fault of a library, ends one instance and
no other; its search goes on from its file, once. What a page or a table says of the
results is not here.
"""

import csv
import json
import math
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from torchlean_jax.cli._vnnlib import EXIT_CODES
from torchlean_jax.domains._errors import FileFormatError
from torchlean_jax.search._stop import is_asked_for

DECIDED = ("sat", "unsat")
_GRACE = 20.0  # seconds beyond the time limit, in which a process ends by itself
_LOOK = 0.1  # seconds between two looks at a process
_LEAST = 1.0  # seconds left that are worth another process


@dataclass(frozen=True)
class Instance:
    """A network and a property; the seconds it may take; the published verdict, or
    ""."""

    number: int
    network: Path
    prop: Path
    timeout: float
    expected: str = ""

    @property
    def name(self) -> str:
        return f"{stem(self.network)} {stem(self.prop)}"


@dataclass(frozen=True)
class Outcome:
    """What came of an instance.

    status: "sat", "unsat", "unknown", "timeout" or "error". seconds: of its processes,
    with their start. results: what the process wrote (`verify vnnlib --json`). said: of
    an error, one line. attempts: how many processes it took.
    """

    instance: Instance
    status: str
    seconds: float
    results: dict[str, Any] = field(default_factory=dict)
    said: str = ""
    attempts: int = 1
    certificates: tuple[Path, ...] = ()
    counterexample: Path | None = None

    @property
    def contradicts(self) -> bool:
        """Whether the published verdict is the other one."""
        return {self.status, self.instance.expected} == set(DECIDED)

    @property
    def proved_share(self) -> float | None:
        """The least proved share of the searches that say one."""
        shares = [s for s in self.results.get("proved_share", []) if s is not None]
        return min(shares, default=None)


def read_instances(
    path: Path, published: Path | None = None, scale: float = 1.0
) -> list[Instance]:
    """The rows of an `instances.csv`: network, property, seconds.

    Paths are relative to its folder. A first row of names (`onnx,vnnlib,timeout`, and
    perhaps `expected`) may say which column is which. published: another table with the
    column `expected`. scale: factor of all time limits. Raises FileFormatError, with
    file and line.
    """
    verdicts = {}
    if published is not None:
        verdicts = {row[:2]: row[3] for _, row in _rows(published, needs_verdict=True)}
    found = []
    for line, (network, prop, seconds, expected) in _rows(path):
        where = f"{path}: line {line}"
        expected = verdicts.get((network, prop), expected)
        one, other = (_existing(path.parent / name, where) for name in (network, prop))
        limit = scale * _seconds(seconds, where)
        found.append(Instance(len(found) + 1, one, other, limit, expected))
    if not found:
        raise FileFormatError(f"{path}: no instances")
    return found


def _rows(path, needs_verdict=False):
    """(line, (network, property, seconds, published verdict)) of each row."""
    names = ("onnx", "vnnlib", "timeout", "expected")
    columns = dict(zip(names, range(4), strict=True))
    with path.open(newline="", encoding="utf-8") as stream:
        reader = csv.reader(stream)
        try:
            for row in reader:
                if not any(map(str.strip, row)):
                    continue
                if {"onnx", "vnnlib"} <= set(row):
                    columns = {n: row.index(n) for n in names if n in row}
                    continue
                cells = [
                    row[k].strip() if (k := columns.get(n, 99)) < len(row) else ""
                    for n in names
                ]
                missing = not (cells[0] and cells[1])
                if missing or (needs_verdict and not cells[3]):
                    wanted = ",".join(names if needs_verdict else names[:3])
                    raise FileFormatError(
                        f"{path}: line {reader.line_num}: a row is {wanted}; got "
                        f"{','.join(row)!r}"
                    )
                yield reader.line_num, tuple(cells)
        except (csv.Error, UnicodeDecodeError) as error:
            raise FileFormatError(f"{path}: line {reader.line_num}: {error}") from error


def _existing(path: Path, where) -> Path:
    """The file, or its packed form: benchmarks list the one and ship the other."""
    for candidate in (path, path.with_name(path.name + ".gz")):
        if candidate.is_file():
            return candidate
    raise FileFormatError(f"{where}: there is no file {path}")


def _seconds(text, where) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = math.nan
    if not 0 < seconds < math.inf:
        raise FileFormatError(f"{where}: {text!r} is no number of seconds")
    return seconds


def decided(
    instance: Instance, folder: Path, options: list[str], tell: Callable[[str], None]
) -> Outcome:
    """What comes of an instance; its files are left in `folder`.

    options: of `verify vnnlib`, further ones. tell: called with how far it is.
    """
    try:
        return _decided(instance, _Files(folder, instance), options, tell)
    except OSError as error:  # a full disk, say: the others may not need it
        said = f"{error.filename or folder}: {error.strerror or error}"
        return Outcome(instance, "error", 0.0, said=said)


def _decided(instance, files: "_Files", options, tell) -> Outcome:
    start, attempts, why = time.perf_counter(), 0, ""
    for attempts in (1, 2):
        left = instance.timeout - (time.perf_counter() - start)
        if attempts == 2 and left < _LEAST:
            break
        files.clear()
        code = _ended(_command(instance, files, left, options), files, left, tell)
        seconds = time.perf_counter() - start
        results = files.results()
        if results and EXIT_CODES.get(results["status"]) == code:
            return _outcome(instance, files, seconds, results, attempts)
        if code is None:
            return Outcome(instance, "timeout", seconds, attempts=attempts)
        why = _why(code, files)
        if code >= 0 or is_asked_for():
            break
    seconds = time.perf_counter() - start
    if is_asked_for():
        return Outcome(instance, "unknown", seconds, said=why, attempts=attempts)
    return Outcome(instance, "error", seconds, said=why, attempts=attempts)


class _Files:
    """The files of one instance in a folder, by their kinds."""

    def __init__(self, folder: Path, instance: Instance):
        stem = f"{instance.number:03d}-{instance.name.replace(' ', '-')}"
        self.folder, self.stem = folder, stem
        self.json, self.log = folder / f"{stem}.json", folder / f"{stem}.log"
        self.certificate = folder / f"{stem}.tlc"
        self.counterexample = folder / f"{stem}.txt"
        self.search = folder / f"{stem}.npz"

    def clear(self) -> None:
        """Remove what an earlier process said; what it had proved stays."""
        for path in (self.json, self.certificate, self.counterexample):
            path.unlink(missing_ok=True)

    def results(self) -> dict[str, Any]:
        try:
            return json.loads(self.json.read_text("utf-8"))
        except (OSError, ValueError):
            return {}

    def last_line(self) -> str:
        """The last line of the log, of which only the end is read."""
        with self.log.open("rb") as stream:
            stream.seek(max(0, self.log.stat().st_size - 4096))
            lines = stream.read().decode("utf-8", "replace").split("\n")
        return next((line.strip() for line in reversed(lines) if line.strip()), "")


def _command(instance, files: _Files, left, options) -> list[str]:
    return [
        *(sys.executable, "-m", "torchlean_jax.cli", "verify", "vnnlib"),
        *(str(instance.network), str(instance.prop), "--progress"),
        *("--timeout", f"{left:.3f}", "--json", str(files.json)),
        *("--certificate", str(files.certificate), "--resume", str(files.search)),
        *("--counterexample", str(files.counterexample), *options),
    ]


def _ended(command, files: _Files, left, tell) -> int | None:
    """The exit code of a process, negative if a signal ended it; None if it had to be
    killed, being late."""
    due = time.perf_counter() + left + _GRACE
    with files.log.open("wb") as log:
        # its own group: Ctrl-C reaches it through us, once
        process = subprocess.Popen(
            command,
            stdout=log,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            start_new_session=True,
        )
    asked = False
    try:
        while True:
            try:
                return process.wait(_LOOK)
            except subprocess.TimeoutExpired:
                tell(files.last_line())
            if is_asked_for() and not asked:
                asked, due = True, min(due, time.perf_counter() + _GRACE)
                process.terminate()
            if time.perf_counter() >= due:
                return None
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()


def _why(code, files: _Files) -> str:
    if code < 0:
        return f"ended by {signal.Signals(-code).name}"
    return files.last_line().removeprefix("torchlean: ") or f"exit code {code}"


def _outcome(instance, files: _Files, seconds, results, attempts) -> Outcome:
    status = results["status"]
    found = files.counterexample
    if status in DECIDED:  # nothing is left to go on with
        files.search.unlink(missing_ok=True)
    return Outcome(
        instance,
        status,
        seconds,
        results,
        attempts=attempts,
        certificates=tuple(Path(p) for p in results.get("certificates", [])),
        counterexample=found if status == "sat" and found.exists() else None,
    )


def stem(path: Path) -> str:
    """The name of a file without its suffixes."""
    name = path.name.removesuffix(".gz")
    return name.rpartition(".")[0] or name
