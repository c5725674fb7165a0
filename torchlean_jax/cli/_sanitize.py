"""`torchlean kernels sanitize`: kernels on a GPU under NVIDIA's compute-sanitizer."""

import shutil
import subprocess
import sys

from torchlean_jax.cli._arguments import add_command, on_device
from torchlean_jax.contracts import contract, contracts
from torchlean_jax.domains._errors import InputError

TOOLS = ("memcheck", "racecheck", "initcheck", "synccheck")
SANITIZER = "compute-sanitizer"

TEXT = """\
Run kernels on a GPU under NVIDIA's compute-sanitizer.
What the clause of memory proves of the kernel as it is written, its four tools observe
of the machine code on the device: accesses out of bounds, races, reads of what nobody
wrote, wrong barriers. One shape of each kernel is run, with each tool in turn."""

CODES = """\
exit code: 0 if no tool complains, 1 if one does, 2 for bad usage, or where there is no
GPU or no compute-sanitizer."""


def add_to(kinds) -> None:
    command = add_command(kinds, "sanitize", _run, text=TEXT, examples=CODES)
    command.add_argument("names", nargs="*", metavar="NAME", help="names of kernels")
    command.add_argument(
        "--tool",
        nargs="+",
        choices=TOOLS,
        default=TOOLS,
        metavar="TOOL",
        help=f"which of {', '.join(TOOLS)} (default: all)",
    )


def _run(options) -> int:
    program = shutil.which(SANITIZER)
    if program is None:
        raise InputError(
            f"there is no {SANITIZER} here: it comes with NVIDIA's CUDA toolkit, and "
            "its folder has to be on the PATH"
        )
    with on_device("gpu"):
        names = [contract(name).name for name in dict.fromkeys(options.names)]
    names = names or [c.name for c in contracts() if c.terms.clauses is None]
    worst = 0
    for tool in options.tool:
        check = [sys.executable, "-m", "torchlean_jax.cli", "kernels", "check", *names]
        check += ["--sample", "--clause", "rounding", "--device", "gpu"]
        done = subprocess.run(
            [program, "--tool", tool, "--error-exitcode", "1", *check],
            capture_output=True,
            text=True,
            check=False,
        )
        print(f"{tool}: {'no complaint' if done.returncode == 0 else 'complains'}")
        if done.returncode:
            print(done.stdout, done.stderr, sep="\n")
            worst = 1
    return worst
