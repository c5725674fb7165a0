"""Running Coq on the theory and on files that use it."""

import re
import shutil
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

from torchlean_jax.domains._errors import TorchLeanError

TESTED = ("8.16.1",)
THEORY = Path(__file__).resolve().parents[2] / "proofs"
PACKAGES = {"Bignums": "libcoq-bignums"}  # Coq library -> its Debian package

# What the theorems rest on beside Coq: the reals, functional extensionality, and the
# primitive integers with what is specified of them.
ALLOWED = re.compile(
    r"ClassicalDedekindReals\.|FunctionalExtensionality\.|"
    r"(Uint63|Sint63|PrimInt63|CarryType)\.|functional_extensionality_dep$|"
    r"sig_forall_dec$|sig_not_dec$"
)


class CoqError(TorchLeanError):
    """Coq is missing, is not the version that was tested, or refuses a file."""


@dataclass(frozen=True)
class Outcome:
    """What Coq said of a file it accepted.

    statements: by theorem, as Coq prints it; axioms: on which they rest; seconds: of
    `coqc`, reading the file included.
    """

    statements: dict[str, str]
    axioms: tuple[str, ...]
    seconds: float


def missing() -> str | None:
    """Why Coq cannot be used here, in one line; None if it can."""
    coqc = shutil.which("coqc")
    if coqc is None:
        return "coqc is not installed (on Debian: apt install coq libcoq-bignums)"
    found = subprocess.run(
        [coqc, "-print-version"], capture_output=True, text=True, check=False
    )
    version = (found.stdout.split() or ["?"])[0]
    if version not in TESTED:
        return f"Coq {version}: the proofs were tested with {', '.join(TESTED)} only"
    where = subprocess.run(
        [coqc, "-where"], capture_output=True, text=True, check=False
    )
    for library, package in PACKAGES.items():
        if not (Path(where.stdout.strip()) / "user-contrib" / library).is_dir():
            return f"Coq's library {library} is not installed (apt install {package})"
    if not (THEORY / "_CoqProject").is_file():
        return f"the theory is not at {THEORY}: it is part of a checkout, not of wheels"
    return None


def build(timeout: float | None = None) -> None:
    """Compile what is stale of the theory, in order."""
    reason = missing()
    if reason is not None:
        raise CoqError(reason)
    stale = False
    for name in theory_files():
        source, made = THEORY / name, (THEORY / name).with_suffix(".vo")
        stale |= not made.exists() or made.stat().st_mtime < source.stat().st_mtime
        if stale:
            _coqc(source, timeout)


def theory_files() -> list[str]:
    words = (THEORY / "_CoqProject").read_text().split()
    return [word for word in words if word.endswith(".v")]


def prove(source: Path, timeout: float | None = None) -> Outcome:
    """Have Coq check a file that `theorem` wrote. Raises CoqError if it does not."""
    build(timeout)
    start = time.perf_counter()
    said = _coqc(source, timeout)
    seconds = time.perf_counter() - start
    return Outcome(_statements(said), _axioms(said), seconds)


def _coqc(source: Path, timeout: float | None) -> str:
    command = ["coqc", "-q", "-Q", str(THEORY), "TorchLean", str(source)]
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=timeout, check=False
        )
    except subprocess.TimeoutExpired:
        raise CoqError(f"{source.name}: no result after {timeout:g} s") from None
    if done.returncode:
        why = " ".join(done.stderr.split())[-400:] or f"exit code {done.returncode}"
        raise CoqError(f"Coq refuses {source.name}: {why}")
    return done.stdout


def _statements(said: str) -> dict[str, str]:
    found = re.findall(r"^(holds_\w+)\s*:\s*(claim [^\n]+(?:\n [^\n]+)*)", said, re.M)
    return {name: " ".join(text.split()) for name, text in found}


def _axioms(said: str) -> tuple[str, ...]:
    """Names in what `Print Assumptions` printed, each of which must be allowed."""
    part = said.partition("Axioms:")[2]
    names = re.findall(r"^([A-Za-z_][\w.']*)\s*(?::|$)", part, re.M)
    wrong = [name for name in names if not ALLOWED.search(name)]
    if wrong:
        raise CoqError(f"the theorem rests on more than it may: {', '.join(wrong)}")
    return tuple(sorted(set(names)))
