"""The command line as a whole: commands, exit codes, and how errors are reported."""

import argparse
import sys
import warnings
from collections.abc import Sequence

import torchlean_jax
from torchlean_jax.cli import (
    _audit,
    _bounds,
    _bugzoo,
    _certificate,
    _coverage,
    _float,
    _given,
    _kernels,
    _science,
    _verify,
    _zoo,
)
from torchlean_jax.cli._arguments import Parser
from torchlean_jax.domains._errors import TorchLeanError

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
    return _exit_code(_run, argv)


def _run(argv):
    options = parser().parse_args(_given.join_negative_numbers(argv))
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


def parser() -> Parser:
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
    _verify.add_to(commands)
    commands.add_parser(
        "check",
        help="re-derive the claims of certificates (the same as torchlean-check)",
    )
    _certificate.add_to(commands)
    _bounds.add_to(commands)
    _float.add_to(commands)
    _audit.add_to(commands)
    _bugzoo.add_to(commands)
    _kernels.add_to(commands)
    _science.add_to(commands)
    _zoo.add_to(commands)
    _coverage.add_to(commands)
    return root
