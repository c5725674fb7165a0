"""Running Coq on the theory and on files that use it."""

import re
import shutil
import subprocess
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from torchlean_jax.domains._errors import TorchLeanError

TESTED = ("8.16.1",)
THEORY = Path(__file__).resolve().parents[2] / "proofs"
# Coq library -> its Debian package
PACKAGES = {
    "Bignums": "libcoq-bignums",
    "Flocq": "libcoq-flocq",
    "Interval": "libcoq-interval",
}
CERTIFICATES = ("Sound", "Evidence")  # what a theorem about a certificate is built on

# What the theorems rest on beside Coq: the reals, functional extensionality, and the
# primitive integers with what is specified of them.
ALLOWED = re.compile(
    r"ClassicalDedekindReals\.|FunctionalExtensionality\.|"
    r"(Uint63|Sint63|PrimInt63|CarryType)\.|functional_extensionality_dep$|"
    r"sig_forall_dec$|sig_not_dec$"
)

# Excluded middle, on which the Reals library rests the mean-value theorem and ln, in
# these files and what is built on them. No theorem about ReLU networks is.
ANALYSIS = ("Rules", "Reverse", "Smooth", "Rounding")
EXCLUDED_MIDDLE = ("Classical_Prop.classic",)

_REQUIRED = re.compile(r"^From (\w+) Require (?:Import |Export )?([\w ]+)\.$", re.M)

_DIGEST = re.compile(r'= \("([\w ]+)"(?:%string)?,\s*"([0-9a-f]{64})"(?:%string)?\)')


class CoqError(TorchLeanError):
    """Coq is missing, is not the version that was tested, or refuses a file."""


@dataclass(frozen=True)
class Outcome:
    """What Coq said of a file it accepted.

    statements: by theorem, as Coq prints it; axioms: on which they rest; seconds: of
    `coqc`, reading the file included; digests: SHA-256 that Coq computed, of the text
    of the graph and of arrays of the statements, for `compare`.
    """

    statements: dict[str, str]
    axioms: tuple[str, ...]
    seconds: float
    digests: dict[str, str]


def missing(files: Iterable[str] = CERTIFICATES) -> str | None:
    """Why Coq cannot build these files of the theory here, in one line; None if it can.

    Without an argument: those that a theorem about a certificate needs.
    """
    coqc = shutil.which("coqc")
    if coqc is None:
        return "coqc is not installed (on Debian: apt install coq libcoq-bignums)"
    found = subprocess.run(
        [coqc, "-print-version"], capture_output=True, text=True, check=False
    )
    version = (found.stdout.split() or ["?"])[0]
    if version not in TESTED:
        return f"Coq {version}: the proofs were tested with {', '.join(TESTED)} only"
    if not (THEORY / "_CoqProject").is_file():
        return f"the theory is not at {THEORY}: it is part of a checkout, not of wheels"
    where = subprocess.run(
        [coqc, "-where"], capture_output=True, text=True, check=False
    )
    for library, package in PACKAGES.items():
        if library not in _required(with_their_own(files)):
            continue
        if not (Path(where.stdout.strip()) / "user-contrib" / library).is_dir():
            return f"Coq's library {library} is not installed (apt install {package})"
    return None


def build(
    files: Iterable[str] = CERTIFICATES, timeout: float | None = None
) -> list[str]:
    """Compile what is stale of these files of the theory and of what they build on, in
    order; their names are returned."""
    reason = missing(files)
    if reason is not None:
        raise CoqError(reason)
    needed, made = with_their_own(files), set()
    for name in needed:
        source = THEORY / f"{name}.v"
        compiled = source.with_suffix(".vo")
        stale = bool(made & _uses(name)) or not compiled.exists()
        if stale or compiled.stat().st_mtime < source.stat().st_mtime:
            _coqc(source, timeout)
            made.add(name)
    return needed


def theory_files() -> list[str]:
    """Names of the theory's files, each behind those that it uses."""
    words = (THEORY / "_CoqProject").read_text().split()
    return [word.removesuffix(".v") for word in words if word.endswith(".v")]


def with_their_own(files: Iterable[str]) -> list[str]:
    """These files and all that they build on, in order."""
    needed = set(files)
    for name in reversed(theory_files()):
        if name in needed:
            needed |= _uses(name)
    return [name for name in theory_files() if name in needed]


def _uses(name: str) -> set[str]:
    """Files of the theory that a file requires itself."""
    found = _REQUIRED.findall((THEORY / f"{name}.v").read_text())
    return {
        word for room, names in found if room == "TorchLean" for word in names.split()
    }


def _required(files: Iterable[str]) -> set[str]:
    """Libraries that these files require themselves."""
    texts = ((THEORY / f"{name}.v").read_text() for name in files)
    return {room for text in texts for room, _ in _REQUIRED.findall(text)}


def prove(source: Path, timeout: float | None = None) -> Outcome:
    """Have Coq check a file that `theorem` wrote. Raises CoqError if it does not."""
    files = needed(source.read_text())
    build(files, timeout=timeout)
    start = time.perf_counter()
    said = _coqc(source, timeout)
    seconds = time.perf_counter() - start
    besides = EXCLUDED_MIDDLE if set(files) & set(ANALYSIS) else ()
    axioms = axioms_in(said, besides)
    return Outcome(_statements(said), axioms, seconds, digests_in(said))


def needed(text: str) -> list[str]:
    """Files of the theory that a generated one builds on."""
    rooms = _REQUIRED.findall(text)
    return [
        name for room, some in rooms if room == "TorchLean" for name in some.split()
    ]


def _coqc(source: Path, timeout: float | None) -> str:
    source = source.resolve()
    command = ["coqc", "-q", "-Q", str(THEORY), "TorchLean", str(source)]
    try:
        done = subprocess.run(
            command,
            cwd=source.parent,  # where the caches of its tactics go
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise CoqError(f"{source.name}: no result after {timeout:g} s") from None
    if done.returncode:
        why = " ".join(done.stderr.split())[-400:] or f"exit code {done.returncode}"
        raise CoqError(f"Coq refuses {source.name}: {why}")
    return done.stdout


def _statements(said: str) -> dict[str, str]:
    found = re.findall(
        r"^(holds_\w+)\s*:\s*(claim [^\n]+(?:\n (?! *= )[^\n]+)*)", said, re.M
    )
    return {name: " ".join(text.split()) for name, text in found}


def digests_in(said: str) -> dict[str, str]:
    """What the commands of `_digests` printed, by name."""
    return dict(_DIGEST.findall(said))


def axioms_in(said: str, besides: Iterable[str] = ()) -> tuple[str, ...]:
    """Names in what `Print Assumptions` printed, each of which must be allowed."""
    part = said.partition("Axioms:")[2]
    names = re.findall(r"^([A-Za-z_][\w.']*)\s*(?::|$)", part, re.M)
    wrong = {name for name in names if not ALLOWED.search(name)} - set(besides)
    if wrong:
        raise CoqError(
            f"the theorem rests on more than it may: {', '.join(sorted(wrong))}"
        )
    return tuple(sorted(set(names)))
