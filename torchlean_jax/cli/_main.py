"""The command line as a whole: commands, exit codes, and how errors are reported."""

import argparse
import gc
import importlib
import sys
import warnings
from collections.abc import Sequence

import torchlean_jax
from torchlean_jax.cli import _given
from torchlean_jax.cli._arguments import Parser
from torchlean_jax.domains._errors import TorchLeanError

# Modules and the commands that they add, in the order of the help. A process imports
# the one that it was asked for: others take a tenth of a short run.
_MODULES = {
    "_verify": ["verify"],
    "_checked": ["check"],
    "_certificate": ["certificate"],
    "_bounds": ["bounds"],
    "_float": ["float"],
    "_audit": ["audit"],
    "_bugzoo": ["bugzoo"],
    "_kernels": ["kernels"],
    "_science": ["science"],
    "_zoo": ["zoo", "train", "claims", "sample"],
    "_coverage": ["coverage"],
}
_ALLOCATIONS = 50_000  # between collections

DESCRIPTION = "Sound bounds, verdicts and checkable certificates for JAX programs."

EPILOG = """\
examples:
  torchlean verify digits --model mlp --train certified --eps 0.02 --certificates proofs
  torchlean check proofs/*.tlc
  torchlean bounds model.py:score --center 1,0.2 --radius 0.1

exit codes:
  0  proved, accepted, or completed
  1  refuted or rejected
  2  bad usage or bad input: one line on stderr says what and what to do
  3  unknown, or out of time
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run `torchlean` with these arguments (those of the process by default).

    Returns the exit code. What a command prints for its user goes to stdout; errors and
    progress go to stderr.
    """
    argv = list(sys.argv[1:] if argv is None else argv)
    if argv[:1] == ["check"]:  # the checker has its own options, and its own help
        from torchlean_check.__main__ import main as check

        return _exit_code(check, argv[1:])
    # Tracing allocates much that lives on: a collection every 700 objects, which also
    # calls into XLA, took an eighth of a short run.
    before = gc.get_threshold()
    gc.set_threshold(_ALLOCATIONS)
    try:
        return _exit_code(_run, argv)
    finally:
        gc.set_threshold(*before)


def _run(argv):
    asked = argv[0] if argv else None
    options = parser(asked).parse_args(_given.join_negative_numbers(argv))
    with warnings.catch_warnings():
        # What a library deprecates is our business, not that of whoever runs this.
        warnings.simplefilter("ignore", DeprecationWarning)
        return options.run(options)


def _exit_code(command, argv) -> int:
    try:
        return command(argv)
    except TorchLeanError as error:
        print(f"torchlean: {error}", file=sys.stderr)
        return 2
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        print(f"torchlean: {where}{error.strerror or error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("torchlean: interrupted", file=sys.stderr)
        return 130
    except SystemExit as leaving:  # argparse: --help, --version, bad usage
        return int(leaving.code or 0)


def parser(asked: str | None = None) -> Parser:
    """Of all commands, or only of those that come with the one that is asked for."""
    root = Parser(
        "torchlean",
        description=DESCRIPTION,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    root.add_argument(
        "--version", action="version", version=f"torchlean {torchlean_jax.__version__}"
    )
    commands = root.add_subparsers(title="commands", required=True, metavar="COMMAND")
    known = any(asked in names for names in _MODULES.values())
    for name, names in _MODULES.items():
        if not known or asked in names:
            module = importlib.import_module(f"torchlean_jax.cli.{name}")
            module.add_to(commands)
    return root
