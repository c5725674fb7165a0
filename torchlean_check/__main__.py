"""The command `torchlean-check FILE...`; also `python -m torchlean_check`."""

import argparse
import json
import sys

from torchlean_check import __version__, check_many
from torchlean_check._matrices import ARITHMETICS

DESCRIPTION = "Re-derive the claims of torchlean certificates in exact arithmetic."
EXIT_CODES = """\
exit code: 0 all accepted, 1 some rejected or malformed, 2 bad usage or unreadable files
"""


def main(arguments: list[str] | None = None) -> int:
    """Check every file; print one line each and, unless quiet, what was proved."""
    parser = argparse.ArgumentParser(
        "torchlean-check", description=DESCRIPTION, epilog=EXIT_CODES
    )
    parser.add_argument("files", nargs="+", metavar="FILE", help="a certificate (.tlc)")
    parser.add_argument("--json", metavar="OUT", help="write the reports to OUT")
    parser.add_argument(
        "--quiet", action="store_true", help="print only what is not accepted"
    )
    parser.add_argument(
        "--arithmetic",
        choices=ARITHMETICS,
        default=ARITHMETICS[0],
        help="what multiplies the integers (default python; flint is the faster "
        "package python-flint, which has to be trusted then)",
    )
    parser.add_argument(
        "--jobs",
        type=int,
        default=1,
        metavar="N",
        help="processes that share the leaves of each file (default 1: this one)",
    )
    parser.add_argument("--version", action="version", version=__version__)
    options = parser.parse_args(arguments)
    reports = []
    for name in options.files:
        try:
            (report,) = check_many(
                [name], arithmetic=options.arithmetic, jobs=options.jobs
            )
        except OSError as error:
            why = error.strerror or error  # of the system, or of `_jobs`
            print(f"torchlean-check: {name}: {why}", file=sys.stderr)
            return 2
        except ImportError as error:
            print(f"torchlean-check: --arithmetic flint: {error}", file=sys.stderr)
            return 2
        reports.append(report)
        if not (options.quiet and report.accepted):
            print(_line(report))
    if options.json:
        try:
            with open(options.json, "w", encoding="utf-8") as stream:
                json.dump([_plain(report) for report in reports], stream, indent=1)
                stream.write("\n")
        except OSError as error:
            print(f"torchlean-check: {options.json}: {error.strerror}", file=sys.stderr)
            return 2
    accepted = sum(report.accepted for report in reports)
    if not options.quiet:
        print(f"{accepted} of {len(reports)} accepted")
    return 0 if accepted == len(reports) else 1


def _line(report) -> str:
    if not report.accepted:
        reason = report.reason.removeprefix(f"{report.file}: ")
        return f"rejected  {report.file}: {reason}"
    # Of how a verdict is known: re-derived in integers, by a program that is tested.
    standing = "exact"
    if report.arithmetic not in ("", ARITHMETICS[0]):
        standing += f" by {report.arithmetic}"
    if report.graph_digest:  # else a document, whose claim is decided, not bounded
        standing += f", margin {report.margin_decimal or 'no input to check'}"
    return (
        f"accepted  {report.file}  {standing}  {report.seconds:.3f} s\n"
        f"          {report.claim}"
    )


def _plain(report) -> dict:
    plain = report._asdict()
    if (
        report.margin is not None
    ):  # JSON readers other than Python's round long integers
        plain["margin"] = [hex(report.margin[0]), report.margin[1]]
    return plain


if __name__ == "__main__":
    sys.exit(main())
