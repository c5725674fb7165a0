"""Evidence files: what was measured, where, and a digest over it.

Measuring is the business of `torchlean_jax.bridge`.
"""

import functools
import hashlib
import json
import math
import os
import platform
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

import jax
import jax.numpy as jnp

from torchlean_jax.domains._errors import InputError

SCHEMA = 1
_LEVELS = ("avx512f", "avx2", "avx", "sse4_2")
_LARGEST = 2**24  # bytes


@dataclass(frozen=True)
class Measured:
    """Where figures were measured: on this backend, one of these instruction sets (or,
    on a GPU, devices), and this version of jaxlib."""

    functions: frozenset[str]
    backend: str
    kinds: frozenset[str]
    jaxlib: str

    def covers(self, place: Mapping[str, str]) -> bool:
        """Whether `place`, an environment as evidence files name it, is among them."""
        same = (self.backend, self.jaxlib) == (place["backend"], place["jaxlib"])
        return same and _kind(place) in self.kinds


def environment() -> dict:
    """What the bits of a library function depend on: backend, device, version, ISA."""
    with jax.ensure_compile_time_eval():
        (device,) = jnp.zeros(()).devices()  # where JAX puts what is not placed
    return {
        "backend": device.platform,
        "device": device.device_kind if device.platform != "cpu" else _processor(),
        "isa": _instructions() if device.platform == "cpu" else "",
        "jaxlib": version("jaxlib"),
    }


def save(path: Path, evidence: dict) -> None:
    """Write evidence with its digest, whole or not at all."""
    content = {"schema": SCHEMA, **evidence}
    content["sha256"] = _digest(content)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.stem}-")
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            json.dump(content, file, indent=1)
            file.write("\n")
        Path(name).chmod(0o644)
        Path(name).replace(path)
    finally:
        Path(name).unlink(missing_ok=True)


def load(path: Path) -> dict:
    """The evidence in a file.

    Raises InputError for a file that cannot be read, is no evidence, or was changed
    since it was written.
    """
    try:
        size = path.stat().st_size
        text = path.read_bytes() if size <= _LARGEST else None
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror})") from error
    if text is None:
        raise InputError(f"{path}: too large for an evidence file")
    try:
        content = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path}: no evidence file ({error})") from error
    if not isinstance(content, dict) or content.get("schema") != SCHEMA:
        raise InputError(f"{path}: no evidence file of schema {SCHEMA}")
    if content.get("sha256") != _digest(content):
        raise InputError(
            f"{path}: its digest does not fit its content: it was changed after it was "
            "written; measure again with `torchlean float bridge`"
        )
    return content


def figures(path: Path) -> tuple[dict[str, float], bool, Measured]:
    """(function -> ulps, whether some inputs were left out, where they were measured).

    Raises InputError for evidence that this process cannot rest on.
    """
    content, here = load(path), environment()
    there = content["environment"]
    if there != here:
        differs = ", ".join(
            f"{key} {there.get(key)!r} there and {here[key]!r} here"
            for key in here
            if there.get(key) != here[key]
        )
        raise InputError(f"{path}: evidence of another machine: {differs}")
    ulps, sampled = {}, False
    for name, record in content["functions"].items():
        if not record["complete"]:
            raise InputError(
                f"{path}: the scan of {name} is not finished; the same command goes on"
            )
        contexts = record["contexts"].values()
        wrong = sum(found["special"] + found["tiny"] for found in contexts)
        if wrong:
            raise InputError(
                f"{path}: {name} gave NaN, infinity or a wrong sign on {wrong} inputs; "
                "no number of ulps covers that"
            )
        sampled |= any(found["every"] > 1 for found in contexts)
        ulps[name] = math.ceil(100 * max(found["ulps"] for found in contexts)) / 100
    kinds = frozenset((_kind(here),))
    place = Measured(frozenset(ulps), here["backend"], kinds, here["jaxlib"])
    return ulps, sampled, place


def described(place) -> str:
    """An environment in a few words."""
    return f"{place['backend']} {_kind(place)} jaxlib {place['jaxlib']}"


def _kind(place) -> str:
    return place["isa"] or place["device"]


def _digest(content) -> str:
    rest = {key: value for key, value in content.items() if key != "sha256"}
    text = json.dumps(rest, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def _processor() -> str:
    for line in _cpuinfo():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def _instructions() -> str:
    """The widest vector instructions that XLA may use here."""
    for word in os.environ.get("XLA_FLAGS", "").split():
        name, _, value = word.partition("=")
        if name == "--xla_cpu_max_isa":
            return value.lower()
    flags = next((line for line in _cpuinfo() if line.startswith("flags")), "").split()
    return next((level for level in _LEVELS if level in flags), platform.machine())


@functools.cache
def _cpuinfo() -> tuple[str, ...]:
    try:
        return tuple(Path("/proc/cpuinfo").read_text().splitlines())
    except OSError:
        return ()
