"""The checker of proofs/ as a program of its own: extracted to OCaml, with Zarith.

It reads the files that `theorems` writes and says of each proof in them whether
`Checker.check` accepts it, much faster than Coq. No theorem comes of it: beside what a
theorem rests on, Coq's extraction, the OCaml compiler, Zarith and the reader
proofs/extracted/main.ml have to be right (docs/proofs.md).
"""

import shutil
import subprocess
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from torchlean_jax.coq import _run
from torchlean_jax.coq._run import CoqError

FOLDER = "extracted"
PROGRAM = "checker"
PACKAGES = "ocaml-nox ocaml-findlib libzarith-ocaml-dev"
# What of the extracted files the program needs; BigZ and what is under it are Zarith.
MODULES = (
    *("BinNums", "Datatypes", "Specif", "BinPos", "BinInt", "List0", "PeanoNat", "Nat"),
    *("Graph", "Numbers", "Lines", "Forms", "Curves", "Boxes", "Checker"),
)


@dataclass(frozen=True)
class Verdicts:
    """What the program said of each certificate; seconds: by the clock."""

    accepted: dict[str, bool]
    seconds: float


def missing_extracted() -> str | None:
    """Why the program is not here and cannot be built, in one line; None if it can."""
    if not _stale():
        return None
    reason = _run.missing(["Checker"])
    if reason is not None:
        return reason
    if shutil.which("ocamlfind") is None or shutil.which("ocamlopt") is None:
        return f"OCaml is not installed (on Debian: apt install {PACKAGES})"
    folder = _ocamlfind("query", "zarith")
    if folder is None or not (Path(folder) / "zarith.cmxa").is_file():
        return "Zarith is not installed (on Debian: apt install libzarith-ocaml-dev)"
    return None


def build_extracted(timeout: float | None = None) -> Path:
    """The program, made anew if a file that it comes from has changed."""
    program = _run.THEORY / FOLDER / PROGRAM
    if not _stale():
        return program
    reason = missing_extracted()
    if reason is not None:
        raise CoqError(reason)
    _run.build(["Checker"], timeout=timeout)
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        for name in ("Extract.v", "main.ml"):
            shutil.copy(_run.THEORY / FOLDER / name, folder)
        _run._coqc(folder / "Extract.v", timeout)
        names = [n for n in MODULES if (folder / f"{n}.ml").exists()]
        files = [f"{n}.{end}" for n in names for end in ("mli", "ml")]
        order = _compiler(folder, "ocamldep", "-sort", *files, "main.ml").split()
        options = ("-package", "zarith", "-linkpkg", "-inline", "100")
        _compiler(folder, "ocamlopt", *options, "-o", PROGRAM, *order)
        fresh = program.with_suffix(".new")
        shutil.copy(folder / PROGRAM, fresh)
        fresh.replace(program)
    return program


def run_extracted(source: Path, timeout: float | None = None) -> Verdicts:
    """Have the program check a file that `theorems` wrote.

    Raises: CoqError if it cannot be built, or does not understand the file (smooth
    functions are left to Coq).
    """
    program = build_extracted(timeout)
    start = time.perf_counter()
    try:
        done = subprocess.run(
            [program, source],
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise CoqError(f"{source.name}: no result after {timeout:g} s") from None
    seconds = time.perf_counter() - start
    if done.returncode:
        why = " ".join(done.stderr.split())[-400:] or f"exit code {done.returncode}"
        raise CoqError(f"the extracted checker refuses {source.name}: {why}")
    words = [line.split() for line in done.stdout.splitlines()]
    return Verdicts({name: word == "true" for name, word in words}, seconds)


def _stale() -> bool:
    """Whether the program is not there, or older than what it is made of."""
    folder = _run.THEORY / FOLDER
    program = folder / PROGRAM
    if not program.exists():
        return True
    sources = [_run.THEORY / f"{n}.v" for n in _run.with_their_own(["Checker"])]
    sources += [folder / "Extract.v", folder / "main.ml"]
    return program.stat().st_mtime < max(s.stat().st_mtime for s in sources)


def _ocamlfind(*words: str) -> str | None:
    done = subprocess.run(
        ["ocamlfind", *words], capture_output=True, text=True, check=False
    )
    return done.stdout.strip() if done.returncode == 0 else None


def _compiler(folder: Path, tool: str, *words: str) -> str:
    done = subprocess.run(
        ["ocamlfind", tool, *words],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise CoqError(f"{tool}: {' '.join(done.stderr.split())[-400:]}")
    return done.stdout
