"""Builds proofs/, has coqchk check it once more, and says what the theorems rest on.

    python scripts/prove.py            compile what is stale, coqchk, the axioms
    python scripts/prove.py --whole    coqchk goes through Coq's own libraries as well

Nothing is installed. Files of the theory whose Coq libraries are not here are skipped,
and said to be; if those of the checker are, the exit code is 3. Exit code 1: a proof
fails, something is admitted, or a theorem rests on an axiom that is not allowed.
"""

import argparse
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from torchlean_jax import coq
from torchlean_jax.coq import _run

# The theorems that are claimed, by file.
THEOREMS = {
    "Sound": ("check_sound",),
    "Attention": ("online_is_attention", "masked_row_is_zero", "recomputed_weight"),
    "Scan": ("scan_is_recurrence",),
    "Rules": ("slope_is_derivative",),
    "AttentionBackward": ("attention_backward", "query_cotangent_by_blocks"),
    "Rounding": ("elementwise", "any_order", "any_order_as_computed"),
    "Smooth": ("bounds_sound", "check_smooth_sound"),
    "Reverse": ("backward_is_adjoint", "backward_is_gradient"),
}
UNPROVED = re.compile(r"\b(Admitted|admit|Axiom|Axioms|Parameter|Conjecture)\b")


def unproved() -> list[str]:
    """Lines of the theory that assume instead of proving."""
    found = []
    for name in _run.theory_files():
        lines = (_run.THEORY / f"{name}.v").read_text().splitlines()
        for number, line in enumerate(lines, 1):
            if UNPROVED.search(line):
                found.append(f"{name}.v:{number}: {line.strip()}")
    return found


def axioms(file: str, theorems: tuple[str, ...]) -> dict[str, tuple[str, ...]]:
    """What each theorem rests on. Raises CoqError for an axiom that is not allowed."""
    text = f"From TorchLean Require Import {file}.\n"
    text += "".join(f"Print Assumptions {theorem}.\n" for theorem in theorems)
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder) / "Axioms.v"
        source.write_text(text)
        said = _run._coqc(source, None)
    answers = re.split(r"^(?=Axioms:|Closed under)", said, flags=re.M)[1:]
    if len(answers) != len(theorems):
        raise coq.CoqError(f"{file}: {len(theorems)} theorems, {len(answers)} answers")
    besides = _run.EXCLUDED_MIDDLE if file in _run.ANALYSIS else ()
    found = (_run.axioms_in(answer, besides) for answer in answers)
    return dict(zip(theorems, found, strict=True))


def kernel(files: list[str], whole: bool) -> None:
    """coqchk: the compiled files once more, by the kernel alone. Unless `whole`, what
    Coq's libraries hold is taken as it is."""
    kind = [] if whole else ["-norec"]
    command = ["coqchk", "-silent", "-Q", str(_run.THEORY), "TorchLean"]
    for name in files:
        command += [*kind, f"TorchLean.{name}"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise coq.CoqError(f"coqchk: {' '.join(done.stderr.split())[-400:]}")


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--whole", action="store_true", help="coqchk all libraries too")
    options = parser.parse_args()
    reason = coq.missing()
    if reason is not None:
        print(f"proofs: {reason}", file=sys.stderr)
        return 3
    admitted = unproved()
    if admitted:
        print("proofs: not proved:", *admitted, sep="\n  ", file=sys.stderr)
        return 1
    here = []
    for name in _run.theory_files():
        reason = coq.missing([name])
        if reason is None:
            here.append(name)
        else:
            print(f"proofs: {name}.v is skipped: {reason}")
    try:
        _timed("build", lambda: coq.build(here))
        _timed("coqchk", lambda: kernel(here, options.whole))
        for file in filter(THEOREMS.get, here):
            for theorem, names in axioms(file, THEOREMS[file]).items():
                print(f"{file}.{theorem}: {', '.join(names) or 'no axioms'}")
    except coq.CoqError as error:
        print(f"proofs: {error}", file=sys.stderr)
        return 1
    return 0


def _timed(name: str, run) -> None:
    start = time.perf_counter()
    run()
    print(f"{name}: {time.perf_counter() - start:.1f} s")


if __name__ == "__main__":
    sys.exit(main())
