"""`torchlean coverage`: which domain has a rule for which primitive."""

import difflib
import sys
from pathlib import Path

from torchlean_jax.cli._arguments import add_command, writable_path
from torchlean_jax.cli._output import write_text

TEXT = """\
Show which domain has a rule for which primitive. Without options, print the page."""

EXAMPLES = """\
examples:
  torchlean coverage
  torchlean coverage --check docs/coverage.md

exit code: 0, or 1 if the page given to --check is stale."""


def add_to(commands) -> None:
    command = add_command(commands, "coverage", run, text=TEXT, examples=EXAMPLES)
    group = command.add_mutually_exclusive_group()
    group.add_argument(
        "--check",
        type=Path,
        metavar="FILE",
        help="compare FILE with the page: exit 1 if it is stale",
    )
    group.add_argument(
        "--write", type=writable_path, metavar="FILE", help="write the page to FILE"
    )


def run(options) -> int:
    from torchlean_jax.interpreters._coverage import coverage_page

    page = coverage_page()
    if options.write:
        write_text(options.write, page)
    elif options.check:
        return _compare(options.check, page)
    else:
        sys.stdout.write(page)
    return 0


def _compare(path, page):
    written = path.read_text(encoding="utf-8", errors="replace")
    if written == page:
        return 0
    difference = difflib.unified_diff(
        written.splitlines(), page.splitlines(), str(path), "the rule tables", n=0
    )
    print(*difference, sep="\n")
    print(
        f"torchlean: {path} is stale: torchlean coverage --write {path}",
        file=sys.stderr,
    )
    return 1
