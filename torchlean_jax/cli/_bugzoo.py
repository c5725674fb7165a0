"""`torchlean bugzoo`: real bugs, each beside the check that catches it."""

import itertools
import textwrap
import time
from collections.abc import Sequence
from pathlib import Path

import jax

from torchlean_jax import bugzoo
from torchlean_jax.cli._arguments import add_command, writable_path
from torchlean_jax.cli._output import live, provenance, write_json, write_text
from torchlean_jax.domains._errors import InputError

TEXT = """\
Real bugs that return tensors of the right shape, and what catches them.
Each card holds the smallest program that has a bug from a public report, the program
that should have been written, and a check that must tell the two apart. Without a
command, list the cards."""

LIST = """\
List the cards, by family.
Each with its title and the call that catches it. What is listed was not run: that is
what `torchlean bugzoo run` does."""

SHOW = """\
Show cards without running them.
The story, the contract, the public reports, both programs as one listing (lines that
start with - belong to the faulty program, lines that start with + to the fixed one),
and how they are examined."""

RUN = """\
Run cards: each faulty program must be caught, and each fixed one must pass.
A card that needs a package which is not installed is not run, and says so."""

PAGE = """\
Run all cards and write them as one HTML file.
The file is self-contained: it opens without a network, in light and in dark, and is
written whole or not at all."""

EXAMPLES = """\
examples:
  torchlean bugzoo
  torchlean bugzoo show causal-mask-off-by-one
  torchlean bugzoo run causal-mask-off-by-one
  torchlean bugzoo run --all --json zoo.json
  torchlean bugzoo page zoo.html"""

CODES = """\
exit code: 0 if every card that was asked for holds, 1 if one failed, 2 for bad usage,
3 if none failed but some were not run."""


def add_to(commands) -> None:
    command = add_command(commands, "bugzoo", _list, text=TEXT, examples=EXAMPLES)
    kinds = command.add_subparsers(title="commands", metavar="COMMAND")
    add_command(kinds, "list", _list, text=LIST, examples="exit code: 0")
    show = add_command(kinds, "show", _show, text=SHOW)
    show.add_argument("names", nargs="+", metavar="NAME", help="names of cards")
    run = add_command(kinds, "run", _run, text=RUN, examples=CODES)
    run.add_argument("names", nargs="*", metavar="NAME", help="names of cards")
    run.add_argument("--all", action="store_true", help="run every card")
    run.add_argument(
        "--json",
        type=writable_path,
        metavar="FILE",
        help="write the results to FILE as well",
    )
    page = add_command(kinds, "page", _page, text=PAGE, examples=CODES)
    page.add_argument("file", type=writable_path, metavar="OUT.html")


def _list(options) -> int:
    cards = bugzoo.cards()
    width = max(len(card.name) for card in cards)
    for family, group in itertools.groupby(cards, key=lambda card: card.family):
        print(family)
        for card in group:
            print(f"  {card.name:<{width}}  {card.title} [{card.check}]")
    return 0


def _show(options) -> int:
    for number, card in enumerate(map(bugzoo.card, options.names)):
        if number:
            print()
        _describe(card)
    return 0


def _describe(card: bugzoo.Card) -> None:
    print(f"{card.name}: {card.title}\n")
    print(textwrap.fill(card.story, 88))
    print()
    rows = {
        "contract": card.contract,
        "check": f"{card.check} ({card.outcome})",
        "library": card.library,
        "reports": ", ".join(str(bugzoo.Report.parse(r)) for r in card.reports),
        "sources": "; ".join(card.sources),
    }
    for name, text in rows.items():
        if text:
            label = f"{name:<10}"
            print(
                textwrap.fill(
                    text, 88, initial_indent=label, subsequent_indent=" " * 10
                )
            )
    print()
    programs = bugzoo.source(card, "faulty"), bugzoo.source(card, "fixed")
    for same, faulty, fixed in bugzoo.side_by_side(*programs):
        if same:
            print(*(f"  {line}".rstrip() for line in faulty), sep="\n")
        else:
            for line in (*(f"- {x}" for x in faulty), *(f"+ {x}" for x in fixed)):
                print(line.rstrip())
    print()
    print(textwrap.indent(bugzoo.source(card, "examine"), "  "))


def _run(options) -> int:
    if options.all == bool(options.names):
        raise InputError("name the cards to run, or give --all: torchlean bugzoo list")
    cards = [bugzoo.card(name) for name in dict.fromkeys(options.names)]
    results = _results(cards or bugzoo.cards(), at_length=not options.all)
    _write(options.json, results)
    return _exit_code(results)


def _page(options) -> int:
    results = _results(bugzoo.cards(), at_length=False)
    write_text(options.file, bugzoo.page(results))
    print(f"written to {options.file}")
    return _exit_code(results)


def _results(cards: Sequence[bugzoo.Card], at_length: bool) -> list[bugzoo.Result]:
    """What came of each card, printed as it comes."""
    results = []
    with live("running") as show:
        for number, card in enumerate(cards, 1):
            show(f"{card.name} ({number} of {len(cards)})")
            results.append(_attempt(card))
            _print(results[-1], at_length)
    counts = {
        status: sum(result.status == status for result in results)
        for status in ("ok", "failed", "not run")
    }
    seconds = sum(result.seconds for result in results)
    said = ", ".join(f"{n} {status}" for status, n in counts.items() if n)
    number = "1 card" if len(results) == 1 else f"{len(results)} cards"
    print(f"{number}: {said} ({seconds:.1f} s)")
    return results


def _attempt(card: bugzoo.Card) -> bugzoo.Result:
    """The card's result; a check that stops is a failure of that card, not the end."""
    started = time.perf_counter()
    try:
        return card.run()
    except Exception as error:
        seconds = time.perf_counter() - started
        problem = f"the check stopped: {type(error).__name__}: {error}"
        return bugzoo.Result(card, None, None, seconds, problem)


def _print(result: bugzoo.Result, at_length: bool) -> None:
    mark = "FAILED" if result.status == "failed" else result.status
    card = result.card
    after = f": {result.problem}" if result.problem else f"  ({card.check})"
    print(f"{mark:<8}{card.name}{after}", flush=True)
    if not (at_length or result.status == "failed"):
        return
    for name, finding in (("faulty", result.faulty), ("fixed", result.fixed)):
        if finding is not None:
            said = "passes" if finding.passed else "is caught"
            print(f"  the {name} program {said}:")
            print(textwrap.indent(finding.witness, "    "))


def _exit_code(results: list[bugzoo.Result]) -> int:
    found = {result.status for result in results}
    return 1 if "failed" in found else 3 if "not run" in found else 0


def _write(path: Path | None, results: list[bugzoo.Result]) -> None:
    rows = [
        {
            "name": result.card.name,
            "family": result.card.family,
            "check": result.card.check,
            "outcome": result.card.outcome,
            "library": result.card.version() if result.ran else result.card.library,
            "status": result.status,
            "problem": result.problem,
            "seconds": result.seconds,
            "faulty": _plain(result.faulty),
            "fixed": _plain(result.fixed),
        }
        for result in results
    ]
    write_json(path, {"cards": rows, **provenance(jax.devices()[0])})


def _plain(finding: bugzoo.Finding | None) -> dict | None:
    if finding is None:
        return None
    return {
        "passed": finding.passed,
        "witness": finding.witness,
        "table": [list(row) for row in finding.table],
    }
