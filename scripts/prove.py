"""Builds proofs/ and says what its theorems rest on.

    python scripts/prove.py            compile what is stale, and look at the axioms
    python scripts/prove.py --again    have coqchk check the compiled files once more

Nothing is installed: a missing package is named, and the exit code is 3. Exit code 1: a
proof fails, something is admitted, or a theorem rests on an axiom that is not allowed.
"""

import argparse
import re
import subprocess
import sys
import tempfile
from pathlib import Path

from torchlean_jax import coq
from torchlean_jax.coq import _run

# The theorems that are claimed, by file.
THEOREMS = {
    "Sound": ("check_sound",),
    "Attention": ("online_is_attention", "masked_row_is_zero", "recomputed_weight"),
    "Scan": ("scan_is_recurrence",),
}
UNPROVED = re.compile(r"\b(Admitted|admit|Axiom|Axioms|Parameter|Conjecture)\b")


def unproved() -> list[str]:
    """Lines of the theory that assume instead of proving."""
    found = []
    for name in _run.theory_files():
        lines = (_run.THEORY / name).read_text().splitlines()
        for number, line in enumerate(lines, 1):
            if UNPROVED.search(line):
                found.append(f"{name}:{number}: {line.strip()}")
    return found


def axioms(file: str, theorem: str) -> tuple[str, ...]:
    """What a theorem rests on. Raises CoqError for an axiom that is not allowed."""
    text = f"From TorchLean Require Import {file}.\nPrint Assumptions {theorem}.\n"
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder) / "Axioms.v"
        source.write_text(text)
        return coq.prove(source).axioms


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--again", action="store_true", help="run coqchk as well")
    options = parser.parse_args()
    reason = coq.missing()
    if reason is not None:
        print(f"proofs: {reason}", file=sys.stderr)
        return 3
    admitted = unproved()
    if admitted:
        print("proofs: not proved:", *admitted, sep="\n  ", file=sys.stderr)
        return 1
    try:
        coq.build()
        for file, theorems in THEOREMS.items():
            for theorem in theorems:
                names = axioms(file, theorem)
                print(f"{file}.{theorem}: {', '.join(names) or 'no axioms'}")
    except coq.CoqError as error:
        print(f"proofs: {error}", file=sys.stderr)
        return 1
    return _again() if options.again else 0


def _again() -> int:
    """Our own files once more, by the kernel alone; Coq's libraries are taken as they
    are."""
    command = ["coqchk", "-silent", "-Q", str(_run.THEORY), "TorchLean"]
    for name in _run.theory_files():
        command += ["-norec", f"TorchLean.{Path(name).stem}"]
    return 1 if subprocess.run(command, check=False).returncode else 0


if __name__ == "__main__":
    sys.exit(main())
